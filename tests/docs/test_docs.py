"""Compares the pages with the tree: paths, links, stages, labels, commands and the generated reference."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from unittest.mock import Mock

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from services.cli.__main__ import application
from services.detector.stream.pipeline import STAGES as DETECTOR_STAGES
from services.ingest.pipeline import SINGLE
from services.notifier.pipeline import Pipeline
from services.runtime.process.kill_points import LABELS
from tests.support import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")])
FOLDERS = r"(?:services|schemas|lab|tests|deploy|bench|docs|requirements)"
WIDTH = 120
RAPPORT = get_command(application())


def name(page: Path) -> str:
    """The page's path in a test report."""
    return str(page.relative_to(ROOT))


def text_of(path: str) -> str:
    """The text of a page."""
    return (ROOT / path).read_text(encoding="utf-8")


def section(path: str, heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    _, found, rest = text_of(path).partition(f"\n## {heading}\n")
    assert found, f"{path} has no section {heading!r}"
    return rest.partition("\n## ")[0]


def test_the_reference_is_that_of_the_code() -> None:
    assert text_of("docs/reference.md") == reference.page()


def test_everything_in_the_reference_has_a_meaning() -> None:
    without = [
        line for line in reference.page().splitlines() if line.startswith("| `") and line.endswith("|  |")
    ]
    assert without == []


def test_the_check_of_the_installation_starts_nothing_that_it_examines() -> None:
    texts = [*PAGES, ROOT / "deploy" / "compose" / "addresses.py"]
    written = [
        line for text in texts for line in text.read_text(encoding="utf-8").splitlines() if "compose" in line
    ]
    checks = [line for line in written if "rapport doctor" in line]
    assert len(checks) >= 5
    assert [line for line in checks if "--no-deps" not in line] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"`({FOLDERS}/[\w./-]*)`", text))
    linked = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [path for path in linked if not (page.parent / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_lines_of_a_page_are_wrapped(page: Path) -> None:
    fenced = False
    too_long = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fenced ^= line.startswith("```")
        if len(line) > WIDTH and not fenced and not line.startswith("|"):
            too_long.append(number)
    assert too_long == []


def test_every_label_of_the_flow_is_explained() -> None:
    steps = section("docs/flow.md", "The order of effects")
    assert [label for label in LABELS if f"`{label}`" not in steps] == []


def stage_name(stage: Callable[..., object]) -> str:
    """The name of a stage's function, or of its class in small letters."""
    return stage.__name__ if isinstance(stage, FunctionType) else type(stage).__name__.lower()


@pytest.mark.parametrize(
    ("service", "stages"),
    [
        ("ingest", SINGLE),
        ("detector", DETECTOR_STAGES),
        ("notifier", Pipeline(Mock(), Mock(), Mock(), Mock(), Mock()).stages),
    ],
)
def test_the_flow_lists_the_stages_of_a_service_in_their_order(
    service: str, stages: Sequence[Callable[..., object]]
) -> None:
    decoded = [] if service == "ingest" else ["decode"]
    listed = re.findall(r"^\d+\. \*\*(\w+)\*\*", section("docs/flow.md", service), re.MULTILINE)

    assert listed == decoded + [stage_name(stage) for stage in stages]


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
    }
    assert sorted(named - targets) == []


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words after `rapport` of each command in a page's code, inline or fenced."""
    fences = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in [*"".join(fences).splitlines(), *(" ".join(code.split()) for code in inline)]:
        found = re.match(r"(?:… |.*run --rm )?rapport (.*)", line)
        if found is not None:
            yield found[1].split()


def unknown_words(command: object, words: Sequence[str]) -> list[str]:
    """The words of a command line that name no subcommand or no option."""
    if isinstance(command, TyperGroup):
        if words and words[0].startswith("-"):
            return []
        known = command.commands.get(words[0]) if words else command
        return [words[0]] if known is None else unknown_words(known, words[1:])
    assert isinstance(command, TyperCommand)
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("`rapport practices set north --set sensitivity=low`", []),
        ("`rapport practices\nset north --sett x`", ["--sett"]),
        ("```\ndocker compose run --rm rapport practice add north\n```", ["practice"]),
        ("`… rapport models remove`", ["remove"]),
        ("`rapport up --help`", []),
    ],
)
def test_a_command_that_does_not_exist_is_recognised(line: str, unknown: list[str]) -> None:
    assert [word for words in commands_in(line) for word in unknown_words(RAPPORT, words)] == unknown


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    commands = commands_in(page.read_text(encoding="utf-8"))

    assert [word for words in commands for word in unknown_words(RAPPORT, words)] == []
