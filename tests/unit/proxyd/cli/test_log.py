def test_the_head_of_an_empty_log_is_signed(answer, proxyd):
    head = answer("log", "head")
    assert head["sessions"] == 0
    assert len(head["storage_key"]) == 16
    assert head["storage_key"] in proxyd("log", "head").stdout


def test_a_sound_log_says_what_was_compared(proxyd, answer):
    result = proxyd("log", "verify")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "0 sessions in the log, as in 0 exported heads" in result.stderr
    assert answer("log", "verify") == {"size": 0, "heads": 0, "problems": []}


def test_a_log_that_does_not_fit_exits_with_6(proxyd, config_path, tmp_path):
    heads = tmp_path / "heads"
    heads.mkdir()
    (heads / "000000000001.head.json").write_bytes(b"noise")
    config_path.write_text(config_path.read_text() + f'[proof]\ntree_head_dir = "{heads}"\n')
    result = proxyd("log", "verify")
    assert result.exit_code == 6
    assert "log differs" in result.stdout
