PASSWORD = "Correct-Horse-9-Battery"


def test_a_user_is_added_listed_and_disabled(proxyd, answer):
    added = answer("user", "add", "ana", "--password-stdin", typed=f"{PASSWORD}\n")
    assert (added["name"], added["role"], added["disabled"]) == ("ana", "user", False)
    assert PASSWORD not in str(added)
    assert proxyd("user", "disable", "ana").exit_code == 0
    assert [row["disabled"] for row in answer("user", "list")] == [True]
    assert "disabled" in proxyd("user", "list").stdout


def test_a_role_is_one_of_three(proxyd, answer):
    options = ("--password-stdin", "--role")
    assert answer("user", "add", "au", *options, "auditor", typed=f"{PASSWORD}\n")["role"]
    assert proxyd("user", "add", "bo", *options, "king", typed="x\n").exit_code == 2


def test_a_password_never_comes_from_the_command_line(proxyd):
    result = proxyd("user", "add", "ana")
    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_a_user_that_is_not_there_is_named(proxyd):
    result = proxyd("user", "disable", "nobody")
    assert result.exit_code == 3
    assert "nobody" in result.stderr


def test_a_name_that_is_taken_is_said(proxyd, answer):
    answer("user", "add", "ana", "--password-stdin", typed=f"{PASSWORD}\n")
    result = proxyd("user", "add", "ana", "--password-stdin", typed=f"{PASSWORD}\n")
    assert result.exit_code == 1
    assert "ana" in result.stderr
