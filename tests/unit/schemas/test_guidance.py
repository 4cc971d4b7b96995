"""What to ask, do and avoid: every cell filled, sourced and kind; and a practice's own entries."""

import re
from pathlib import Path

import pytest
from babel import Locale

from schemas.components import Component
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.wording.guidance.guidance import (
    Guidance,
    GuidanceEntry,
    InvalidGuidance,
    Reading,
    Subject,
    topic_of,
)
from schemas.wording.wording import LANGUAGES, Wording
from tests.support.detector.episodes import NOW

GUIDANCE = Guidance.load()
WORDINGS = {language: Wording(language, Locale(language), {}) for language in LANGUAGES}
CELLS = [(language, topic, shape) for language in LANGUAGES for topic in Subject for shape in Shape]
SOURCES = (
    r"Eubanks 2018|Gumz 2012|Larsson 2018|Flückiger et al. 2016|Crits-Christoph 2011|de Jong 2021"
    r"|Barkham 2023"
)
FIGURES = {
    "Eubanks 2018": (r"r = \.29", r"11 ", r"1,?314"),
    "Larsson 2018": (r"605", r"14[.,]7 %", r"10[.,]7 %"),
    "Crits-Christoph 2011": (r"\.77", r"\.90", r"4 "),
    "de Jong 2021": (r"d = \.15", r"1\.19", r"58 ", r"21[, ]699"),
    "Barkham 2023": (r"g = \.36", r"\.53"),
}
THEMES = {
    "warmth": ("bond", r"warm|wärme"),
    "safety": ("bond", r"safe|sicher"),
    "being heard": ("bond", r"heard|listen|gehört|hören"),
    "specific": ("goal", r"specific|konkret"),
    "measurable": ("goal", r"measur|messbar"),
    "own values": ("goal", r"they value|wichtig"),
    "a date": ("goal", r"\bdate\b|termin"),
    "the reason": ("task", r"reason|why|grund|warum"),
    "a choice": ("task", r"choice|choose|wahl|wählen"),
    "openness": ("all", r"open|offen"),
    "feedback": ("all", r"feedback|rückmeldung"),
    "flexibility": ("all", r"flexib"),
}
FORBIDDEN = {
    "en": r"ruptur|detect|alarm|warning|\bfail|wrong|fault|blame|patient\b|\bmust\b|deteriorat|disorder"
    r"|depress|diagnos|certainly|surely|proves|definitely|resistan",
    "de": r"ruptur|erkannt|alarm|warnung|versag|schuld|fehler|\bpatient\b|müssen|verschlechter|störung"
    r"|depress|diagnos|sicherlich|bestimmt|bewiesen|zweifellos|widerstand",
}  # fmt: skip


def entry(cell: tuple[str, Subject, Shape]) -> GuidanceEntry:
    language, topic, shape = cell
    return GUIDANCE.entry(WORDINGS[language], topic, shape)


def words(one: GuidanceEntry) -> str:
    return " ".join([*one.readings.values(), one.question, one.do, one.avoid]).lower()


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_every_cell_has_a_reading_a_question_what_to_do_and_avoid_and_evidence(
    cell: tuple[str, Subject, Shape],
) -> None:
    one = entry(cell)
    assert 2 <= len(one.readings) <= 3
    assert one.question.endswith("?")
    assert one.do.endswith(".")
    assert one.avoid.endswith(".")
    assert one.evidence
    for evidence in one.evidence:
        assert re.search(SOURCES, evidence.source)
        assert evidence.limit


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_no_cell_blames_diagnoses_or_is_certain(cell: tuple[str, Subject, Shape]) -> None:
    assert re.findall(FORBIDDEN[cell[0]], words(entry(cell))) == []


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_a_question_with_what_to_do_and_avoid_fits_a_telephone(cell: tuple[str, Subject, Shape]) -> None:
    one = entry(cell)
    assert len(one.question) + len(one.do) + len(one.avoid) <= 300


@pytest.mark.parametrize("language", LANGUAGES)
def test_readings_are_possibilities(language: str) -> None:
    tentative = {"en": r"\bmay\b|some people", "de": r"vielleicht|manche"}[language]
    readings = {text for cell in CELLS if cell[0] == language for text in entry(cell).readings.values()}
    assert [text for text in readings if not re.search(tentative, text.lower())] == []


def test_all_five_readings_are_used() -> None:
    assert {one for cell in CELLS for one in entry(cell).readings} == set(Reading)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_theme_is_there(theme: str, language: str) -> None:
    topic, pattern = THEMES[theme]
    texts = [entry((language, Subject(topic), shape)) for shape in Shape]
    assert any(re.search(pattern, f"{one.question} {one.do}".lower()) for one in texts)


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_figures_are_quoted_as_published(cell: tuple[str, Subject, Shape]) -> None:
    for evidence in entry(cell).evidence:
        for figure in FIGURES.get(evidence.source, ()):
            assert re.search(figure, evidence.text), (evidence.source, figure)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_for_a_good_start_has_reason_aim_choice_and_feedback(language: str) -> None:
    card = GUIDANCE.start_card(WORDINGS[language])
    assert len(card.points) == 4
    assert re.search(r"specific, measurable|konkret, messbar", " ".join(card.points))


def test_switzerland_writes_no_sharp_s() -> None:
    swiss = Wording("de", Locale("de", "CH"), {})
    one = GUIDANCE.entry(swiss, Subject.BOND, Shape.UNCLEAR)
    assert "ausserhalb" in one.readings[Reading.OUTSIDE]


def component(which: Component, standing: Standing) -> ComponentFact:
    return ComponentFact(component=which, standing=standing, mark=2.0, usual=4.0)


@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.NO_FORM])
@pytest.mark.parametrize("which", list(Component))
def test_the_topic_is_the_component_that_fell_deepest(which: Component, shape: Shape) -> None:
    others = [one for one in Component if one is not which]
    facts = Facts(
        shape=shape,
        components=(
            component(which, Standing.FELL),
            component(others[0], Standing.FELL),
            component(others[1], Standing.HELD),
        ),
        form_at=NOW,
    )
    assert topic_of(facts) == (Subject(which.value), shape)


def test_all_is_the_topic_where_all_fell_and_where_nothing_did() -> None:
    fell = tuple(component(one, Standing.FELL) for one in Component)
    assert topic_of(Facts(shape=Shape.STEP, components=fell, form_at=NOW)) == (Subject.ALL, Shape.STEP)
    empty = Facts(shape=Shape.NO_FORM, empty=EmptyForms(last_at=NOW, count=2, of=8))
    assert topic_of(empty) == (Subject.ALL, Shape.NO_FORM)


OWN = """
practice = "north"
[en.goal.step]
question = "Own question?"
do = "Own advice."
avoid = "Own caution."
source = "Team meeting, May 2026"
"""


def test_a_practices_own_entry_replaces_the_shipped_one_for_that_practice_alone(tmp_path: Path) -> None:
    (tmp_path / "north.toml").write_text(OWN, "utf-8")
    guidance = Guidance.load(tmp_path)
    own = guidance.entry(WORDINGS["en"], Subject.GOAL, Shape.STEP, "north")
    assert (own.question, own.evidence, own.own_source) == ("Own question?", (), "Team meeting, May 2026")
    shipped = entry(("en", Subject.GOAL, Shape.STEP))
    assert guidance.entry(WORDINGS["en"], Subject.GOAL, Shape.STEP, "south") == shipped
    assert guidance.entry(WORDINGS["en"], Subject.GOAL, Shape.SLIDE, "north").own_source is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (OWN.replace('source = "Team meeting, May 2026"', ""), r"en\.goal\.step\.source: Field required"),
        (OWN.replace("goal.step", "goals.step"), r"en\.goals"),
        (OWN.replace("goal.step", "goal.steep"), r"en\.goal\.steep"),
        (OWN.replace("do =", "does ="), r"en\.goal\.step\.does: Extra inputs"),
        (OWN.replace("practice =", "practice"), r"north\.toml:\n"),
    ],
)
def test_an_unusable_file_is_named_with_its_faults(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "north.toml").write_text(text, "utf-8")
    with pytest.raises(InvalidGuidance, match=fault):
        Guidance.load(tmp_path)


def test_two_entries_for_one_cell_of_a_practice_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(OWN, "utf-8")
    with pytest.raises(InvalidGuidance, match=r"b\.toml:\n  en\.goal\.step: another file"):
        Guidance.load(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidGuidance, match="is not a folder"):
        Guidance.load(tmp_path / "none")
