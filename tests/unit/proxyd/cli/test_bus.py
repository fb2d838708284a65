def test_the_policy_of_an_engine_is_printed_to_be_pasted(proxyd, config_path):
    config_path.write_text(config_path.read_text() + '[bus]\nurl = "amqps://u@host/pro%2Fd"\n')
    result = proxyd(
        "bus", "policy", "engine", "--user", "dmz-1", "--site", "dmz", "--engine", "e-1"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "rabbitmqctl add_user dmz-1" in lines
    assert any(line.startswith("rabbitmqctl set_permissions -p pro/d dmz-1") for line in lines)


def test_workers_and_control_nodes_have_policies_too(proxyd):
    for role in ("worker", "control"):
        result = proxyd("bus", "policy", role, "--user", "back")
        assert result.exit_code == 0
        assert "set_permissions -p / back" in result.stdout


def test_an_engine_s_policy_wants_to_know_which_engine(proxyd):
    assert proxyd("bus", "policy", "engine", "--user", "dmz-1").exit_code == 2
    assert proxyd("bus", "policy", "worker", "--user", "u", "--site", "dmz").exit_code == 2
    wide = ("--site", "dmz", "--engine", "e.*")
    assert proxyd("bus", "policy", "engine", "--user", "dmz-1", *wide).exit_code == 2


def test_dead_letters_are_named_one_by_one_or_all(proxyd):
    for act in ("replay", "discard"):
        assert proxyd("bus", "dead-letters", act).exit_code == 2
        assert proxyd("bus", "dead-letters", act, "--all", "a/b/1").exit_code == 2


def test_without_a_broker_there_are_no_dead_letters_to_look_at(proxyd):
    result = proxyd("bus", "dead-letters", "list")
    assert result.exit_code == 5
    assert "lie on a broker" in result.stderr
