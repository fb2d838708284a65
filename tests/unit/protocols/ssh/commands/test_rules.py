import pytest

from bus.command_rules import CommandRule, PatternError, RuleAction, matcher
from protocols.ssh.commands.rules import MAX_TOLD, Rules


def rule(name: str, pattern: str, action: str = "notice") -> CommandRule:
    return CommandRule(name=name, pattern=pattern, action=RuleAction(action))


def test_the_gravest_rule_that_a_line_breaks_decides_and_all_are_told():
    rules = Rules(
        [
            rule("a", "rm", "alert"),
            rule("b", "rm -rf", "end"),
            rule("c", "ls", "hold"),
            rule("d", r"\brm\b", "notice"),
        ]
    )
    found = rules.judge(["rm -rf /"], "rm -rf /")
    assert found
    assert found.action is RuleAction.END
    assert [each.name for each in found.rules] == ["b", "d", "a"]
    assert rules.judge(["echo"], "echo") is None
    assert rules.judge(["", ""], "") is None


def test_any_reading_of_a_line_counts_and_what_is_told_has_an_end():
    found = Rules([rule("a", "^wipe")]).judge(["x", "wipe it"], "w" * 9999)
    assert found
    assert len(found.command) == MAX_TOLD
    assert found.command.endswith("www [of 9999 characters]"), "somebody may have to approve it"


def test_what_cannot_be_judged_is_refused_where_a_rule_refuses_anything():
    found = Rules([rule("a", "x", "alert"), rule("b", "y", "end")]).unknown("why")
    assert found
    assert (found.action, found.rules[0].name, found.refusal) == (RuleAction.NOTICE, "b", "why")
    assert Rules([rule("a", "x", "alert")]).unknown("why") is None


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", "x" * 1001, r"\p{Nope}"])
def test_what_is_no_pattern_is_refused_with_its_reason(pattern: str):
    with pytest.raises(PatternError):
        matcher(pattern)


def test_no_line_makes_matching_slow():
    assert not matcher("(a+)+$")("a" * 5000 + "b")


def test_where_nothing_can_wait_it_is_refused():
    found = Rules([rule("a", "x", "hold")]).judge(["x"], "x")
    assert found
    assert (found.outcome, found.unheld.outcome) == ("waits", "refused")
