"""What rules about files say of one file: refused, allowed, or of nobody's concern."""

import pytest

from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.ssh.transfers.rules import BOTH, FileRules, whole_path

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD


def rule(verdict: str, glob: str = "**", *ways: Direction) -> FileRule:
    name = f"{verdict}-it"
    return FileRule(name=name, verdict=FileVerdict(verdict), directions=ways or BOTH, glob=glob)


def test_without_a_rule_for_a_direction_everything_crosses():
    rules = FileRules([rule("refuse", "**", DOWN)])
    assert rules.permit(UP, None)
    assert not rules.permit(DOWN, "/a")
    assert rules.any
    assert not FileRules([]).any


def test_a_refusal_outweighs_a_permission():
    rules = FileRules([rule("allow", "/srv/**"), rule("refuse", "/srv/keys/**")])
    assert rules.permit(UP, "/srv/a")
    assert not rules.permit(UP, "/srv/keys/a")


def test_where_something_is_allowed_nothing_else_crosses():
    rules = FileRules([rule("allow", "/srv/**", DOWN), rule("allow", "/opt/**", DOWN)])
    assert rules.permit(DOWN, "/opt/a")
    assert not rules.permit(DOWN, "/etc/passwd")
    assert rules.permit(UP, "/etc/passwd")


@pytest.mark.parametrize("verdict", ["allow", "refuse"])
def test_a_path_that_nobody_knows_may_be_any(verdict: str):
    rules = FileRules([rule(verdict, "/srv/**")])
    assert not rules.permit(UP, None)
    assert rules.name_paths(UP)


def test_whoever_is_refused_learns_by_what():
    found = FileRules([rule("refuse", "/etc/**", DOWN)]).judge(DOWN, "/etc/x", "/etc/x")
    assert found is not None
    assert found.refusal == (
        "refused: download /etc/x: rule refuse-it of this secret forbids this download"
    )
    assert (found.command, found.outcome) == ("download /etc/x", "refused")
    found = FileRules([rule("allow", "/srv/**", UP)]).judge(UP, None, "x")
    assert found is not None
    assert "no rule of this secret allows this upload, or may" in found.refusal


@pytest.mark.parametrize(
    ("path", "start", "whole"),
    [
        ("/a/../b", None, "/b"),
        ("//a/./b//c/", None, "/a/b/c"),
        ("a/b", "/home/x", "/home/x/a/b"),
        ("../../../etc", "/home/x", "/etc"),
        ("a", None, None),
        ("", "/home/x", "/home/x"),
        ("/..", None, "/"),
    ],
)
def test_a_path_is_judged_without_detours(path: str, start: str | None, whole: str | None):
    assert whole_path(path, start) == whole
