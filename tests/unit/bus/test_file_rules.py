"""Globs of rules about files: what they name and what they do not."""

import pytest

from bus.file_rules import GlobError, glob_matcher


@pytest.mark.parametrize(
    ("glob", "named", "not_named"),
    [
        ("**", ["/", "/a/b", "anything"], []),
        ("/srv/in", ["/srv/in"], ["/srv/in/a", "/srv/inn", "/srv"]),
        ("/srv/*", ["/srv/a", "/srv/a b"], ["/srv", "/srv/a/b"]),
        ("/srv/**", ["/srv", "/srv/", "/srv/a", "/srv/a/b"], ["/srvx", "/"]),
        ("/**/*.key", ["/a.key", "/a/b/c.key"], ["/a.keys", "/a.key/b"]),
        ("/home/*/.ssh/**", ["/home/a/.ssh", "/home/a/.ssh/id"], ["/home/a/b/.ssh/id"]),
        ("/a?c", ["/abc", "/a\nc", "/aüc"], ["/a/c", "/ac"]),
        ("/a.(b)+[c]", ["/a.(b)+[c]"], ["/axb", "/abb"]),
    ],
)
def test_a_glob_names_what_it_says(glob: str, named: list[str], not_named: list[str]):
    matches = glob_matcher(glob)
    assert [path for path in [*named, *not_named] if matches(path)] == named


@pytest.mark.parametrize(
    "glob", ["", "a", "*", "~/x", "/a//b", "/a/../b", "/a/.", "/a\nb", "/" * 2]
)
def test_what_could_never_name_a_file_is_no_glob(glob: str):
    with pytest.raises(GlobError):
        glob_matcher(glob)


def test_a_glob_has_an_end():
    with pytest.raises(GlobError):
        glob_matcher("/" + "a" * 1000)
