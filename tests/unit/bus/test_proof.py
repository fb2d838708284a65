from bus.proof import proof


def test_name_and_password_do_not_run_into_each_other():
    assert proof("ab", "c") != proof("a", "bc")


def test_it_is_the_same_on_every_node():
    shown = proof("k7mz2hq9xw4ta", "password").hex()
    assert shown == "c0e699b41e8fb79f2fd549b4775710c9a9137f64da8c28858caf74f5687e7f0e"


def test_whatever_a_client_sends_has_a_proof():
    assert len(proof("\udcff", "\udc80")) == 32
