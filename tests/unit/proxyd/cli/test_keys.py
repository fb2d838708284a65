def test_the_recording_key_can_be_rotated_while_nothing_runs(proxyd):
    result = proxyd("rotate-recording-key")
    assert result.exit_code == 0
    assert "sessions from now on are recorded under key" in result.stderr
