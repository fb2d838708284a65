from protocols.rdp.ntlm_proof import nt_hash, response_key, session_base_key

# [MS-NLMP] 4.2: user "User", domain "Domain", password "Password".
CHALLENGE = bytes.fromhex("0123456789abcdef")
BLOB = bytes.fromhex(
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00"
    "01000c005300650072007600650072000000000000000000"
)
PROOF = bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c")


def test_the_numbers_are_those_of_the_specification():
    hashed = nt_hash("Password")
    assert hashed.hex() == "a4f49c406510bdcab6824ee7c30fd852"
    key = response_key(hashed, "User", "Domain")
    assert key.hex() == "0c868a403bfd7a93a3001ef22ef02e3f"
    base_key = session_base_key(key, CHALLENGE, PROOF + BLOB)
    assert base_key is not None
    assert base_key.hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"


def test_capitals_of_the_name_make_no_difference():
    hashed = nt_hash("Password")
    assert response_key(hashed, "uSER", "Domain") == response_key(hashed, "User", "Domain")


def test_another_answer_proves_nothing():
    key = response_key(nt_hash("Password"), "User", "Domain")
    assert session_base_key(key, CHALLENGE, bytes(16) + BLOB) is None
    assert session_base_key(key, bytes(8), PROOF + BLOB) is None
