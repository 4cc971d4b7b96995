"""Answers are exported as labels, and a practice is scored by another model from its activation on."""

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from lab.training.candidate import write_candidate
from schemas.events import Answer, TalkedAbout
from services.detector.cli.plugin import plugin
from services.detector.files.label_file import Label, read_labels
from services.detector.model.artefact import load
from services.detector.storage.model_activations import UnknownPractice, activate, read_mapped
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    answer_of,
    body,
    detector_driver,
    tools_with,
)
from tests.support.detector.learning import learned
from tests.support.detector.toy_detector import ToyDetector

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
VERSIONS = "SELECT session_id, model_version FROM detector.assessment ORDER BY session_at"


async def map_north(detector: DetectorDriver, version: str | None) -> None:
    await activate(detector.conn, ["north"], version, NOW)
    await detector.conn.commit()


async def test_a_new_model_scores_only_what_is_rated_after_its_activation(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(), ToyDetector("toy-2"))
    await detector.rate(body(-3, GOOD), body(-2, GOOD))
    before = await detector.rows("SELECT session_id, revision, risk FROM detector.assessment ORDER BY 1")
    await map_north(detector, "toy-2")
    await detector.rate(body(-1, GOOD))
    assert await detector.rows(VERSIONS) == [("s-3", "toy-1"), ("s-2", "toy-1"), ("s-1", "toy-2")]
    after = await detector.rows("SELECT session_id, revision, risk FROM detector.assessment ORDER BY 1")
    assert [row for row in after if row[0] != "s-1"] == before


async def test_a_late_rating_is_assessed_with_all_after_it_by_the_new_model(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(), ToyDetector("toy-2"))
    await detector.rate(body(-4, GOOD), body(-2, GOOD))
    await map_north(detector, "toy-2")
    await detector.rate(body(-3, GOOD))
    assert await detector.rows(VERSIONS) == [("s-4", "toy-1"), ("s-3", "toy-2"), ("s-2", "toy-2")]


async def test_other_practices_keep_their_model(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(), ToyDetector("toy-2"))
    await map_north(detector, "toy-2")
    await detector.rate(body(-1, GOOD), practice="south")
    assert await detector.rows(VERSIONS) == [("s-1", "toy-1")]


async def test_the_time_of_a_models_activation_is_stored_once(detector: DetectorDriver) -> None:
    await map_north(detector, "toy-2")
    await activate(detector.conn, ["north"], "toy-2", NOW + timedelta(days=1))
    (north,) = await read_mapped(detector.conn)
    assert (north.practice, north.version, north.since) == ("north", "toy-2", NOW)
    await activate(detector.conn, ["north"], None, NOW + timedelta(days=2))
    (north,) = await read_mapped(detector.conn)
    assert (north.version, north.since) == (None, NOW + timedelta(days=2))


async def test_a_practice_that_is_not_there_changes_none(detector: DetectorDriver) -> None:
    with pytest.raises(UnknownPractice, match="east"):
        await activate(detector.conn, ["north", "east"], "toy-2", NOW)
    assert await detector.rows("SELECT model_version FROM detector.practice") == [(None,)]


@pytest.fixture
def rapport() -> typer.Typer:
    """A command line with the detector's commands."""
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return app


def test_a_candidate_is_activated_by_one_command(
    rapport: typer.Typer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.detector.model.artefact import SHIPPED

    manifest = write_candidate(SHIPPED, tmp_path / "candidate", learned(intercept=-0.4))
    monkeypatch.setenv("DATABASE_URL", database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("INSERT INTO detector.practice (practice_id, added_at) VALUES ('north', %s)", (NOW,))
        words = ["models", "activate", "--model", str(tmp_path / "candidate"), "--practice", "north"]
        done = CliRunner().invoke(rapport, words)
        assert done.exit_code == 0, done.output
        assert conn.execute("SELECT model_version FROM detector.practice").fetchone() == (manifest.version,)
        listed = CliRunner().invoke(rapport, ["models", "list"])
        assert manifest.version in listed.output
        back = CliRunner().invoke(rapport, ["models", "activate", "--shipped", "--practice", "north"])
        assert back.exit_code == 0, back.output
        assert conn.execute("SELECT model_version FROM detector.practice").fetchone() == (None,)


def test_a_folder_that_holds_no_usable_model_is_not_activated(
    rapport: typer.Typer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    words = ["models", "activate", "--model", str(tmp_path), "--practice", "north"]
    done = CliRunner().invoke(rapport, words)
    assert (done.exit_code, "Nothing was changed" in done.output) == (1, True)


async def told_and_answered(url: str) -> None:
    """Episodes of four clients: answered once, twice, taken back, and with what they talked about."""
    async with detector_driver(url) as detector:
        await detector.practice()
        for client, answers in (
            ("a", ["discussed"]),
            ("b", ["discussed", "not-relevant"]),
            ("c", ["undone"]),
            ("d", ["will-discuss", "will-discuss"]),
        ):
            sent = [
                body(week, marks, client_id=client, session_id=f"{client}{week}")
                for week, marks in ((-4, GOOD), (-3, GOOD), (-2, GOOD), (-1, LOW))
            ]
            await detector.rate(*sent)
            ((episode,),) = await detector.rows(
                "SELECT episode_id::text FROM detector.episode WHERE client_id = %s", (client,)
            )
            for revision, answer in enumerate(answers, start=1):
                topic = TalkedAbout.PACE if (client, revision) == ("d", 2) else None
                await detector.feed([answer_of(sent[0], episode, Answer(answer), revision, topic=topic)])


def test_newest_answers_are_exported_as_labels(
    rapport: typer.Typer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(told_and_answered(database_url))
    monkeypatch.setenv("DATABASE_URL", database_url)
    file = tmp_path / "labels.csv"
    done = CliRunner().invoke(rapport, ["labels", "export", "--practice", "north", "--out", str(file)])
    assert done.exit_code == 0, done.output
    assert sorted(read_labels(file)) == [
        Label("north", "a", "a-1", "therapist-1", rupture=True),
        Label("north", "b", "b-1", "therapist-1", rupture=False),
        Label("north", "d", "d-1", "therapist-1", rupture=True),
    ]
    assert file.read_text().count(",will-discuss,pace\n") == 1


def test_a_candidate_loads_and_differs_by_its_correction_only(tmp_path: Path) -> None:
    from services.detector.model.artefact import SHIPPED, heartbeat_risks

    write_candidate(SHIPPED, tmp_path / "candidate", learned(intercept=-0.4))
    base, candidate = load(), load(tmp_path / "candidate")
    assert base.version != candidate.version
    assert heartbeat_risks(candidate)[-1] < heartbeat_risks(base)[-1]
