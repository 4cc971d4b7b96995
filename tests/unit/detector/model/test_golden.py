"""Recorded histories keep their assessments; a changed number shows as a difference to review."""

import json
from typing import Any

import pytest

from tests.unit.detector.model.golden.record import FILE, assessments

_NAMES = ("leading", "movement", "ratings")


@pytest.fixture(scope="module")
def now() -> dict[str, list[dict[str, Any]]]:
    """Return the assessments of the shipped model."""
    return assessments()


GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))


def _numbers(found: dict[str, Any]) -> list[float]:
    parts = [
        part for component in sorted(found["components"]) for part in found["components"][component].values()
    ]
    return [-1.0 if number is None else number for number in (found["risk"], found["level"], *parts)]


def test_the_same_histories_are_recorded(now: dict[str, list[dict[str, Any]]]) -> None:
    assert list(GOLDEN) == list(now)


@pytest.mark.parametrize("name", list(GOLDEN))
def test_a_recorded_history_keeps_its_assessments(name: str, now: dict[str, list[dict[str, Any]]]) -> None:
    for then, found in zip(GOLDEN[name], now[name], strict=True):
        assert _numbers(then) == pytest.approx(_numbers(found), abs=1e-6)
        assert [then[key] for key in _NAMES] == [found[key] for key in _NAMES]
        assert list(then["components"]) == list(found["components"])
