"""Contracts that were released stay as they are, and later ones stay compatible with them."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from schemas import releases
from schemas.export import documents, read_folder
from schemas.releases import RELEASED, ReleaseRefused, breaking_since_release, newest_release, release

ASSESSED = "events/alliance.assessed.v1.json"


def with_changed_assessment(**changes: object) -> dict[str, Any]:
    """The current contracts, with properties of an assessment set, or taken away where the value is None."""
    current = deepcopy(documents())
    properties = current[ASSESSED]["$defs"]["AllianceAssessed"]["properties"]
    for name, value in changes.items():
        if value is None:
            del properties[name]
        else:
            properties[name] = value
    return current


def replace_contracts(monkeypatch: pytest.MonkeyPatch, current: dict[str, Any]) -> None:
    """Let the code describe other contracts than it does."""
    monkeypatch.setattr(releases, "documents", lambda: current)


def test_the_current_contracts_are_compatible_with_the_newest_release() -> None:
    assert newest_release() is not None
    assert breaking_since_release() == []


def test_every_release_holds_the_rating_the_topics_and_every_event() -> None:
    for folder in RELEASED.iterdir():
        assert {"rating.v1.json", "asyncapi.json", ASSESSED} <= read_folder(folder).keys(), folder


def test_a_release_holds_the_current_contracts(tmp_path: Path) -> None:
    assert documents() == read_folder(release("1.0.0", tmp_path))


def test_a_version_that_is_released_never_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = release("1.0.0", tmp_path)
    replace_contracts(monkeypatch, with_changed_assessment(note={"type": "string"}))
    with pytest.raises(ReleaseRefused, match="raise the version in pyproject"):
        release("1.0.0", tmp_path)
    assert "note" not in str(read_folder(target))


def test_releasing_the_same_contracts_again_changes_nothing(tmp_path: Path) -> None:
    assert release("1.0.0", tmp_path) == release("1.0.0", tmp_path)


def test_a_change_is_compared_with_the_newest_release_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("0.9.0", "0.10.0"):
        release(version, tmp_path)
    assert newest_release(tmp_path) == "0.10.0"
    (tmp_path / "0.9.0" / ASSESSED).unlink()
    replace_contracts(monkeypatch, with_changed_assessment(early=None))
    assert breaking_since_release(tmp_path) == [f"{ASSESSED}: data.early is gone"]


def test_contracts_that_break_the_newest_release_are_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release("1.0.0", tmp_path)
    replace_contracts(monkeypatch, with_changed_assessment(early=None))
    with pytest.raises(ReleaseRefused, match=r"data\.early is gone(.|\n)*add a new version of it"):
        release("1.1.0", tmp_path)
    assert newest_release(tmp_path) == "1.0.0"


@pytest.mark.parametrize(
    ("version", "message"),
    [("1.0", "give three numbers"), ("next", "give three numbers"), ("0.9.0", "older than 1.0.0")],
)
def test_a_version_that_makes_no_sense_is_refused(tmp_path: Path, version: str, message: str) -> None:
    release("1.0.0", tmp_path)
    with pytest.raises(ReleaseRefused, match=message):
        release(version, tmp_path)


def test_before_the_first_release_nothing_can_break(tmp_path: Path) -> None:
    assert newest_release(tmp_path / "absent") is None
    assert breaking_since_release(tmp_path / "absent") == []
