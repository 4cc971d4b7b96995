"""Episodes are shown in the words and with the picture of the therapist's page, three of them whole."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.facts import Shape
from services.detector.preview.episodes import PreviewEpisode, choose_three
from services.detector.preview.page import PreviewContents, render
from tests.support.detector.tables import EXAMPLE, Cell, write
from tests.support.schemas.whole_dates import whole_dates
from tests.unit.detector.preview.conftest import Preview

WEEKS = 12
USUAL, FALLEN = "4", "2"


def course(goal: dict[int, str]) -> dict[str, Cell]:
    """Columns of one client whose marks are 4, but for the goals of these weeks."""
    return {
        "client_id": lambda _: "c1",
        "session_at": lambda row: f"2026-{1 + int(row['week']) // 4:02}-{1 + 7 * (int(row['week']) % 4):02}",
        "instrument": lambda _: "wai-sr",
        "bond": lambda _: USUAL,
        "goal": lambda row: goal.get(int(row["week"]), USUAL),
        "task": lambda _: USUAL,
    }


@pytest.fixture(scope="module")
def contents(preview: Preview) -> PreviewContents:
    return preview(EXAMPLE)


def test_a_message_names_what_fell_and_since_when_and_how_it_went_on(
    preview: Preview, tmp_path: Path
) -> None:
    rows = [{"week": str(week)} for week in range(WEEKS)]
    goal = dict.fromkeys(range(6, 8), FALLEN) | {5: "4"}
    found = preview(write(tmp_path / "own.csv", course(goal), rows=rows))
    (episode,) = found.episodes
    (message,) = episode.messages
    assert message.when == "Sunday, 15 February 2026"
    assert message.shown.lead == whole_dates(
        "Goals fell at the session of 15 Feb: 2.0, where about 4.0 is usual for this client."
        " Bond and tasks stayed as usual."
    )
    assert (message.shown.facts.shape, round(episode.fall, 2)) == (Shape.STEP, 0.5)
    assert "goals 4.0 (before, about 4.0)" in episode.after
    assert message.shown.picture is not None
    assert ">2.0<" in message.shown.picture
    assert [(one.usual, one.mark, one.message) for one in found.watched.falls] == [
        ("4.0", "3.3", "at this session")
    ]


def test_the_sentences_say_nothing_of_later_sessions(preview: Preview, tmp_path: Path) -> None:
    rows = [{"week": str(week)} for week in range(WEEKS)]
    later = dict.fromkeys(range(8, WEEKS), "1")
    leads = []
    for number, goal in enumerate(({6: FALLEN, 7: FALLEN}, {6: FALLEN, 7: FALLEN} | later)):
        found = preview(write(tmp_path / f"{number}.csv", course(goal), rows=rows))
        leads.append(found.episodes[0].messages[0].shown.lead)
    assert leads[0] == leads[1]


def test_three_episodes_are_shown_whole_and_the_others_are_folded(contents: PreviewContents) -> None:
    page = render(contents)
    before, folded = page.split('id="others"')
    assert len(re.findall('<article class="card episode"', before)) == 3
    assert len(re.findall('<article class="card episode"', folded)) == len(contents.episodes) - 3
    assert [one.why for one in contents.chosen] == [
        "The clearest",
        "A doubtful one",
        "One that came to nothing",
    ]
    # Nothing that is needed to read the page is fetched: the pictures are in it.
    assert page.count('<svg class="chart"') == len(contents.episodes)


def test_how_sure_is_what_the_model_measured(contents: PreviewContents) -> None:
    stated = [one.messages[0].shown.sure for one in contents.episodes]
    assert all(
        not sure or sure[0].startswith("Of 10 messages like this in simulated practices") for sure in stated
    )


@pytest.fixture(scope="module")
def any_episode(contents: PreviewContents) -> PreviewEpisode:
    return contents.episodes[0]


def test_the_clearest_is_the_deepest_whose_shape_the_marks_show(any_episode: PreviewEpisode) -> None:
    deep = replace(any_episode, shape=Shape.UNCLEAR, fall=0.9, risk=0.9, repaired_after=None)
    clear = replace(deep, shape=Shape.STEP, fall=0.4)
    slight = replace(deep, shape=Shape.STEP, fall=0.1, risk=0.3)
    brief = replace(deep, shape=Shape.SLIDE, fall=0.2, repaired_after=2)
    long = replace(brief, repaired_after=9)
    chosen = choose_three([deep, slight, long, brief, clear])
    assert [one.episode for one in chosen] == [clear, slight, brief]
    assert [one.why for one in choose_three([slight])] == ["The clearest"]
    assert choose_three([]) == []
