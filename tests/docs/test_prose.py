"""Refuses three worn turns of phrase in docstrings, comments and pages: they hide who does what."""

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = ("schemas", "services", "lab", "deploy", "bench", "tests/support")
SOURCES = sorted(file for tree in TREES for file in (ROOT / tree).rglob("*.py") if ".venv" not in file.parts)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

LONG = 60
"""From this many characters on, a paragraph that a page has twice is a mistake; rows of tables may recur."""
TURNS = {
    "… in, … out": re.compile(r"\bin, (?:[^.?!]|[.?!](?=\S))*?\bout\b(?=[.,:;)]|\s*$)"),
    "a sentence that begins with Of": re.compile(r"(?:^|(?<=[.!?:;|>*])|(?<=[.!?:;|>*-] ))Of\s"),
    "so many": re.compile(r"\bso many\b", re.IGNORECASE),
}


def turns_in(text: str) -> list[str]:
    """The names of the refused turns that a text contains; line breaks count as spaces."""
    flowing = " ".join(text.split())
    return [name for name, pattern in TURNS.items() if pattern.search(flowing)]


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield every docstring of a module with its line: of modules, classes, functions and attributes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield every block of comments of a module with the line on which it begins."""
    lines = iter(source.splitlines(keepends=True))
    start, last, block = 0, -1, ""
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string.lstrip("# ")
        if line == last + 1:
            last, block = line, f"{block} {text}"
            continue
        yield start, block
        start, last, block = line, line, text
    yield start, block


def paragraphs(page: str) -> Iterator[tuple[int, str]]:
    """Yield every paragraph of a page with its first line, without fenced code; a table's row is one."""
    start, block, fenced = 1, "", False
    for number, line in enumerate([*page.splitlines(), ""], 1):
        if line.startswith("```"):
            fenced = not fenced
        alone = not line.strip() or line.startswith(("|", "- ", "#", "```")) or re.match(r"\d+\. ", line)
        if alone or fenced:
            yield start, block
            start, block = number, ""
        if not fenced and not line.startswith("```"):
            start, block = (start, f"{block} {line}") if block else (number, line)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Ratings in, a message out.", ["… in, … out"]),
        ("The code in, `docs/reference.md` out: every setting.", ["… in, … out"]),
        ("One batch in, the\nsame batch with a\nverdict for each out", ["… in, … out"]),
        ("Therapists sign in, and their session times out after an hour.", []),
        ("Counts forms. Of these, the last eight matter.", ["a sentence that begins with Of"]),
        ("Of the forms, one.", ["a sentence that begins with Of"]),
        ("A course of therapy is one episode of care.", []),
        ("So many records in a row stop the consumer.", ["so many"]),
        ("It takes so\nmany.", ["so many"]),
    ],
)
def test_the_turns_are_recognised_over_line_breaks(text: str, refused: list[str]) -> None:
    assert turns_in(text) == refused


def test_docstrings_of_modules_classes_functions_and_attributes_are_read() -> None:
    source = '"""a"""\nclass C:\n    """b"""\n    x = 1\n    """c"""\n    def f(self):\n        """d"""\n'

    assert sorted(docstrings(source)) == [(1, "a"), (3, "b"), (5, "c"), (7, "d")]


def test_a_comment_of_several_lines_is_read_as_one_text() -> None:
    assert [block for _, block in comments("x = 1  # one\n# so\n# many\n\n# two\n")][1:] == [
        "one so many",
        "two",
    ]


def test_a_page_is_read_by_paragraph_without_its_code() -> None:
    page = "# Head\n\nOne\ntwo.\n\n```\nso many\n```\n\n| a |\n| b |\n- c\n  d\n"

    assert [text for _, text in paragraphs(page) if text] == [
        "# Head",
        "One two.",
        "| a |",
        "| b |",
        "- c   d",
    ]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_docstrings_and_comments_of_a_module_say_who_does_what(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    texts = [*docstrings(source), *comments(source)]

    assert [f"line {line}: {turn}" for line, text in texts for turn in turns_in(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_who_does_what(page: Path) -> None:
    texts = paragraphs(page.read_text(encoding="utf-8"))

    assert [f"line {line}: {turn}" for line, text in texts for turn in turns_in(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_nothing_twice(page: Path) -> None:
    texts = [text for _, text in paragraphs(page.read_text(encoding="utf-8")) if len(text) >= LONG]

    assert [text for text, times in Counter(texts).items() if times > 1 and not text.startswith("|")] == []
