def test_who_did_what_is_listed(proxyd, answer):
    typed = "Correct-Horse-9-Battery\n"
    proxyd("user", "add", "ana", "--password-stdin", typed=typed)
    proxyd("user", "disable", "ana")
    rows = answer("audit", "list", "--action", "user", "--since", "1h")
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("user.disabled", "ana"),
        ("user.added", "ana"),
    ]
    assert list(rows[0]) == ["id", "at", "who", "action", "subject", "detail"]
    shown = proxyd("audit", "list", "--who", rows[0]["who"], "--limit", "1").stdout
    assert "user.disabled" in shown
    assert "user.added" not in shown


def test_a_limit_has_a_limit(proxyd):
    assert proxyd("audit", "list", "--limit", "0").exit_code == 2
