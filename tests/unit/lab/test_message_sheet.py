"""The page of messages has forty, of every kind, each beside the marks that it speaks of."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lab.commands.plugin import plugin
from lab.messages.simulated_messages import messages_of
from lab.practice_histories import read_histories
from lab.product_path import assess_histories
from lab.reports.message_sheet import MESSAGES, OWN_MESSAGES, read_messages, simulated_messages
from lab.statistics_of_others import statistics_of_others
from schemas.facts import Shape
from schemas.instruments.catalogue import Catalogue
from services.detector.model.trained_detector import TrainedDetector

EXAMPLE = Path("docs/examples/ratings.csv")


def test_the_simulated_messages_are_forty_and_of_every_shape(detector: TrainedDetector) -> None:
    entries = simulated_messages(detector, "en")
    assert len(entries) == MESSAGES
    assert {entry.shown.facts.shape for entry in entries} == set(Shape)
    assert {"simulated: a rupture is under way", "simulated: no rupture is under way"} == {
        entry.source for entry in entries
    }


def test_own_messages_are_openings_of_the_table(detector: TrainedDetector) -> None:
    histories = read_histories(EXAMPLE, Catalogue.load()).dyads
    courses = [history.forms for history in histories]
    dyads = assess_histories(detector, courses, statistics_of_others(courses))
    opened = [
        dyad.forms[message.session].order.session_at
        for dyad in dyads
        for message in messages_of(dyad, [False] * len(dyad.forms))
        if dyad.decisions[message.session].step == "opened"
    ]
    entries = read_messages(detector, EXAMPLE, Catalogue.load(), "en")
    assert len(entries) == min(OWN_MESSAGES, len(opened))
    for entry in entries:
        table = entry.shown.table
        assert table is not None
        assert table.rows[-1].session in {f"{at:%-d\N{NO-BREAK SPACE}%b}" for at in opened}


@pytest.mark.parametrize(("language", "words"), [("en", "for this client"), ("de", "sonst")])
def test_the_command_writes_a_page_that_needs_nothing_else(
    language: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.reports.message_sheet._PRACTICES", 4)
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    out = tmp_path / "new" / "messages.html"
    ran = CliRunner().invoke(
        app, ["messages", "--ratings", str(EXAMPLE), "--out", str(out), "--language", language]
    )
    assert ran.exit_code == 0, ran.output
    page = out.read_text(encoding="utf-8")
    assert f"<h1>{MESSAGES} messages to read</h1>" in page
    assert page.count("<article") == MESSAGES
    assert words in page
    assert re.findall(r"<script|src=|url\(|@import", page) == []
