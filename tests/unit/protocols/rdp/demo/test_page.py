import pytest
from hypothesis import given
from hypothesis import strategies as some

from protocols.rdp.demo.keyboard import BACKSPACE, ENTER
from protocols.rdp.demo.page import CARET, HEADING, MAX_TYPED, PAPER, TITLE, Page, wrapped


def paper(page: Page) -> list[str]:
    """What was typed, as it is shown."""
    grid = page.grid()
    lines = [
        line.strip()
        for line, style in zip(grid.characters, grid.styles, strict=True)
        if PAPER in style
    ]
    return "\n".join(lines).strip().split("\n")


def caret(page: Page) -> tuple[int, int]:
    [(row, style)] = [pair for pair in enumerate(page.grid().styles) if CARET in pair[1]]
    return row, style.index(CARET)


def test_the_page_says_what_it_is():
    grid = Page(85, 38).grid()
    assert grid.characters[1].strip() == HEADING
    assert set(grid.styles[1]) == {TITLE}
    assert "What you type is shown here and recorded" in " ".join(
        line.strip() for line in grid.characters
    )


def test_typing_appears_and_can_be_taken_back():
    page = Page(85, 38)
    page.type(f"one{ENTER}twoX{BACKSPACE}")
    assert paper(page) == ["one", "two"]
    page.type(BACKSPACE * 100)
    assert paper(page) == [""]


def test_the_caret_stands_behind_what_was_typed():
    page = Page(85, 38)
    row, column = caret(page)
    page.type("ab")
    assert caret(page) == (row, column + 2)
    page.type(ENTER)
    assert caret(page) == (row + 1, column)


def test_long_lines_are_cut_between_words():
    page = Page(24, 30)
    page.type("the quick brown fox jumps over the lazy dog")
    assert paper(page) == ["the quick brown fox", "jumps over the lazy", "dog"]


def test_a_word_longer_than_a_line_is_cut_anywhere():
    assert wrapped("abcdefgh", 3) == ["abc", "def", "gh"]


def test_a_space_that_would_be_first_on_a_line_is_not_shown():
    assert wrapped("abc def", 3) == ["abc", "def"]


def test_the_newest_lines_stay_when_the_page_is_full():
    page = Page(40, 30)
    page.type("".join(f"{number}{ENTER}" for number in range(100)))
    shown = paper(page)
    assert shown[-1] == "99"
    assert "50" not in shown


def test_what_is_kept_of_typing_is_bounded():
    page = Page(40, 30)
    page.type("a" * 3 * MAX_TYPED)
    assert len(page._typed) <= MAX_TYPED


@pytest.mark.parametrize("size", [(16, 10), (17, 11), (160, 60)])
def test_a_page_of_any_size_is_whole(size):
    whole(Page(*size), size)


def whole(page: Page, size: tuple[int, int]) -> None:
    columns, rows = size
    grid = page.grid()
    assert len(grid.characters) == len(grid.styles) == rows
    assert {len(line) for line in (*grid.characters, *grid.styles)} == {columns}
    caret(page)


sizes = some.tuples(some.integers(16, 170), some.integers(10, 62))
typing = some.text(some.sampled_from(f"ab 漢{ENTER}{BACKSPACE}"), max_size=300)


@given(sizes, typing)
def test_whatever_is_typed_the_page_stays_whole_and_has_one_caret(size, text):
    page = Page(*size)
    page.type(text)
    whole(page, size)
