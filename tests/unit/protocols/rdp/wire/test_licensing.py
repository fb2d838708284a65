from protocols.rdp.wire.licensing import valid_client


def test_no_licence_is_needed_as_the_specification_shows_it():
    # [MS-RDPBCGR] 4.1.11, without encryption.
    wanted = "80000000 ff031000 07000000 02000000 04000000"
    assert valid_client() == bytes.fromhex(wanted)
