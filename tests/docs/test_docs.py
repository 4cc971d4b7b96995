"""What the documents name exists, and what exists is named."""

import re
from pathlib import Path

import pytest

from services.detector.stream.pipeline import STAGES as DETECTOR_STAGES
from services.runtime.process.kill_points import LABELS
from tests.support import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_reference_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == reference.page()


def test_everything_in_the_reference_has_a_meaning() -> None:
    without = [
        line for line in reference.page().splitlines() if line.startswith("| `") and line.endswith("|  |")
    ]
    assert without == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:services|schemas|tests|deploy|bench|docs|requirements)/[\w./-]*)`", text))
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [path for path in linked if not (page.parent / path).exists()]
    assert missing == []


def test_every_label_of_the_flow_is_explained() -> None:
    text = (ROOT / "docs" / "flow.md").read_text(encoding="utf-8")
    assert [label for label in LABELS if f"`{label}`" not in text] == []


def test_the_flow_draws_the_detectors_stages_in_their_order() -> None:
    text = (ROOT / "docs" / "flow.md").read_text(encoding="utf-8")
    assert "decode → " + " → ".join(stage.__name__ for stage in DETECTOR_STAGES) in text


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
    }
    assert sorted(named - targets) == []
