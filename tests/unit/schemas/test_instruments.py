"""The shipped definitions, definitions of one's own, and the refusal of bad ones."""

from pathlib import Path

import pytest

from schemas.components import Component
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.instruments.definition import InvalidDefinition, read_definition
from schemas.instruments.settings import InstrumentSettings
from schemas.validation_errors import Violation
from tests.support.schemas.instruments import KNOWN, SMALL, folder_with_small

SHIPPED = ("srs", "wai-9", "wai-s", "wai-sr")
"""Instruments whose definitions the tests know; adding one changes nothing here."""


def test_the_shipped_instruments_are_known() -> None:
    assert {each.id for each in Catalogue.load()} >= set(SHIPPED)


@pytest.mark.parametrize(
    ("instrument", "items", "lowest", "highest", "bond", "goal", "task", "overall", "backwards"),
    [
        ("srs", 4, 0, 10, (1,), (2,), (3,), (4,), frozenset()),
        ("wai-sr", 12, 1, 5, (3, 5, 7, 9), (4, 6, 8, 11), (1, 2, 10, 12), None, frozenset()),
        ("wai-s", 12, 1, 7, (3, 5, 7, 9), (4, 6, 10, 11), (1, 2, 8, 12), None, frozenset({4, 10})),
        ("wai-9", 9, 1, 5, (7, 8, 9), (4, 5, 6), (1, 2, 3), None, frozenset()),
    ],
)
def test_the_published_scoring_map_is_kept(
    instrument: str,
    items: int,
    lowest: float,
    highest: float,
    bond: tuple[int, ...],
    goal: tuple[int, ...],
    task: tuple[int, ...],
    overall: tuple[int, ...] | None,
    backwards: frozenset[int],
) -> None:
    found = Catalogue.load().get(instrument)
    assert (items, lowest, highest, backwards) == (
        found.items, found.lowest, found.highest, found.reversed_items,
    )  # fmt: skip
    assert (bond, goal, task, overall) == tuple(found.components.get(each) for each in Component)


def test_only_the_srs_has_a_published_cutoff() -> None:
    assert {each: Catalogue.load().get(each).cutoff for each in SHIPPED} == {
        "srs": 36.0,
        "wai-9": None,
        "wai-s": None,
        "wai-sr": None,
    }


def test_totals_run_from_the_lowest_to_the_highest_sum() -> None:
    shipped = [Catalogue.load().get(each) for each in SHIPPED]
    assert [(each.lowest_total, each.highest_total) for each in shipped] == [
        (0, 40),
        (9, 45),
        (12, 84),
        (12, 60),
    ]


def test_the_step_on_the_common_scale() -> None:
    assert [Catalogue.load().get(each).unit_step for each in SHIPPED] == [0.01, 0.25, 1 / 6, 0.25]


def test_an_unknown_instrument_is_answered_with_the_list() -> None:
    with pytest.raises(UnknownInstrument) as caught:
        Catalogue.load().get("SRS")
    expected = Violation("instrument", "is not an instrument we know", KNOWN)
    assert (expected,) == caught.value.violations


def test_a_folder_adds_instruments(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "notes.txt").write_text("no definition")
    assert Catalogue.load(tmp_path).get("small").title == "Two questions"


def test_an_id_that_is_shipped_cannot_be_defined_anew(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMALL.replace('"small"', '"srs"'))
    expected = r"/mine\.toml:\n  id: srs is already defined in the shipped srs\.toml: choose another id$"
    with pytest.raises(InvalidDefinition, match=expected):
        Catalogue.load(tmp_path)


def test_an_id_is_defined_in_one_file_of_the_folder(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(SMALL)
    with pytest.raises(InvalidDefinition, match=r"/b\.toml:\n  id: small is already defined in a\.toml"):
        Catalogue.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SMALL.replace("items = 2", "items = 1").encode(), "there is no item 2: items is 1"),
        ("title = 'Größe'".encode("latin-1"), "save it in UTF-8"),
    ],
)
def test_a_bad_file_in_the_folder_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(InvalidDefinition) as caught:
        Catalogue.load(tmp_path)
    assert str(caught.value).startswith(f"{file}:\n  ")
    assert message in str(caught.value)


def test_the_folder_is_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "small" not in [each.id for each in InstrumentSettings().catalogue()]
    monkeypatch.setenv("RAPPORT_INSTRUMENTS_DIR", str(folder_with_small(tmp_path)))
    assert InstrumentSettings().catalogue().get("small").items == 2


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinition, match="is not a folder"):
        Catalogue.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ('id = "small"', 'id = "Small One"', "id: String should match"),
        ('id = "small"', "", "id: Field required"),
        ('id = "small"', 'idd = "small"\nid = "small"', "idd: Extra inputs are not permitted"),
        ("items = 2", 'items = "2"', "items: Input should be a valid integer"),
        ("items = 2", "items = 1", "there is no item 2: items is 1"),
        ("items = 2", "items = 3", "item 3 belongs to no component"),
        ("goal = [2]", "goal = [2, 1]", "item 1 belongs to a component more than once"),
        ("goal = [2]", "goal = []", "components.goal: Tuple should have at least 1 item"),
        ("goal = [2]", "trust = [2]", "components.trust: Input should be 'bond'"),
        ("highest = 4", "highest = 0", "highest must be greater than lowest"),
        ("step = 1", "step = 3", "step must divide the range from lowest to highest"),
        ("step = 1", "step = 8", "step must divide the range from lowest to highest"),
        ("step = 1", "step = 0", "step: Input should be greater than 0"),
        ("step = 1", "step = 0.001", "step is too fine: at most 1000 steps"),
        ("step = 1", "step = 1\nreversed = [3]", "there is no item 3: items is 2"),
        ("step = 1", "step = 1\nreversed = [1, 1]", "reversed names an item more than once"),
        ("step = 1", "step = 1\ncutoff = 9", "cutoff must lie within the totals that are possible"),
        ('"refused"', '"maybe"', "between_steps: Input should be 'accepted' or 'refused'"),
        ("{component = 0", "{component = 1", "missing.component must leave at least one answer"),
        ("total = 1", "total = 2", "missing.total must leave at least one answer"),
        ("total = 1", "total = -1", "missing.total: Input should be greater than or equal to 0"),
        ("items = 2", "items 2", "is not TOML"),
    ],
)
def test_a_bad_definition_is_refused_with_the_reason(written: str, instead: str, message: str) -> None:
    assert written in SMALL
    with pytest.raises(InvalidDefinition) as caught:
        read_definition("small.toml", SMALL.replace(written, instead))
    assert str(caught.value).startswith("small.toml:\n  ")
    assert message in str(caught.value)


def test_all_faults_of_a_definition_are_told_at_once() -> None:
    text = SMALL.replace("items = 2", "items = 3").replace("highest = 4", "highest = -1")
    with pytest.raises(
        InvalidDefinition, match=r"highest must be greater than lowest; .*belongs to no component"
    ):
        read_definition("small.toml", text)
