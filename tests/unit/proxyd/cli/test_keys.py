def test_the_recording_key_can_be_rotated_while_nothing_runs(proxyd):
    result = proxyd("rotate-recording-key")
    assert result.exit_code == 0
    assert "sessions from now on are recorded under key" in result.stderr


def test_the_next_signing_key_is_made_and_waits_for_a_start(proxyd, state):
    result = proxyd("rotate-signing-key")
    assert result.exit_code == 0
    assert "restart proxyd" in result.stderr
    assert (state / "engine-signing-key.new").stat().st_mode & 0o777 == 0o600
    made = (state / "engine-signing-key.new").read_bytes()
    assert proxyd("rotate-signing-key").exit_code == 0
    assert (state / "engine-signing-key.new").read_bytes() == made
