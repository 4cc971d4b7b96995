"""The detector's plugin stores a practice's options, answers `why` and `doctor`, and adds commands."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.detector.cli.plugin import plugin
from services.detector.model.artefact import load
from services.detector.storage.model_activations import activate
from services.runtime.process.cli_plugin import Tenant
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, record_of

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)


async def put(detector: DetectorDriver, **options: str) -> None:
    assert plugin.put_tenant is not None
    await plugin.put_tenant(detector.conn, Tenant("east", NOW, options))
    await detector.conn.commit()


EAST = "SELECT tell_from, max_age_days, false_alarms FROM detector.practice WHERE practice_id = 'east'"


async def test_a_new_practice_gets_messages_about_sessions_after_it_was_added(
    detector: DetectorDriver,
) -> None:
    await put(detector)
    assert await detector.rows(EAST) == [(NOW, 21, 0.05)]


async def test_a_given_option_is_stored_and_the_others_keep_their_values(detector: DetectorDriver) -> None:
    await put(detector, tell_from="2026-01-01T00:00+01:00", max_age_days="none", sensitivity="8")
    await put(detector, max_age_days="30")
    moment = datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert await detector.rows(EAST) == [(moment, 30, 0.08)]


@pytest.mark.parametrize(("word", "share"), [("low", 0.02), ("balanced", 0.05), ("high", 0.1)])
async def test_sensitivity_may_be_a_word(detector: DetectorDriver, word: str, share: float) -> None:
    await put(detector, sensitivity=word)
    assert await detector.rows(EAST) == [(NOW, 21, share)]


async def test_a_practice_may_ask_for_messages_about_all_sessions(detector: DetectorDriver) -> None:
    await put(detector, tell_from="always")
    assert await detector.rows(EAST) == [(None, 21, 0.05)]


@pytest.mark.parametrize(
    "options",
    [
        {"tell_from": "2026-01-01"},
        {"tell_from": "soon"},
        {"max_age_days": "0"},
        {"max_age_days": "many"},
        {"sensitivity": "0"},
        {"sensitivity": "often"},
    ],
    ids=str,
)
async def test_an_option_that_cannot_be_used_is_refused(
    detector: DetectorDriver, options: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        await put(detector, **options)


async def test_a_model_that_nobody_knows_is_refused(detector: DetectorDriver) -> None:
    await put(detector)
    with pytest.raises(ValueError, match="there is no model 'gb-tipo'"):
        await put(detector, model_version="gb-tipo")
    assert await detector.rows("SELECT DISTINCT model_version FROM detector.practice") == [(None,)]


async def test_a_model_that_is_shipped_or_was_activated_before_is_taken(detector: DetectorDriver) -> None:
    await put(detector, model_version=load().version)
    await activate(detector.conn, ["north"], "toy-2", NOW)
    await put(detector, model_version="toy-2")
    mapped = "SELECT model_version FROM detector.practice WHERE practice_id = 'east'"
    assert await detector.rows(mapped) == [("toy-2",)]


async def test_why_lists_what_happened_to_a_sessions_ratings_in_order(detector: DetectorDriver) -> None:
    await detector.rate(*[body(week, GOOD) for week in (-4, -3, -2)])
    await detector.rate(body(-1, LOW, id="one"), body(-1, LOW, id="one"))
    assert plugin.trace is not None
    lines = await plugin.trace(detector.conn, "north", "s-1")
    assert [line.what for line in lines] == [
        "rating one accepted (rated)",
        "rating one assessed (revision 1), flagged",
        "rating one delivered again",
        "episode opened (revision 1)",
    ]
    assert lines[-1].why == "the therapist gets a message"


async def test_why_says_what_a_rating_waits_for(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, id="one"), body(0, GOOD, id="two", therapist_id="therapist-2"))
    assert plugin.trace is not None
    line = (await plugin.trace(detector.conn, "north", "s0"))[-1]
    assert (line.what, line.why.split(" under ")[0]) == (
        "rating two waits",
        "until the client's session is withdrawn",
    )


async def test_why_shows_nothing_of_another_practices_session(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, GOOD))
    assert plugin.trace is not None
    assert await plugin.trace(detector.conn, "east", "s-1") == []


async def test_doctor_finds_no_fault_with_a_healthy_detector(detector: DetectorDriver) -> None:
    assert plugin.check is not None
    assert {one.verdict for one in await plugin.check(detector.conn)} == {"good"}


async def test_doctor_says_that_no_heartbeat_came_through_yet(detector: DetectorDriver) -> None:
    assert plugin.check is not None
    assert "none has come through yet" in [one.found for one in await plugin.check(detector.conn)]


async def test_doctor_names_the_partitions_whose_heartbeats_stopped(detector: DetectorDriver) -> None:
    minutes = "to_char(now() AT TIME ZONE 'utc' - interval '%s minutes', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    rows = f"VALUES (0, {minutes % 1}), (1, {minutes % 6}), (2, {minutes % 60})"
    await detector.rows(f"INSERT INTO detector.heartbeat (partition, minute) {rows} RETURNING 1")

    assert plugin.check is not None
    assert [one.found for one in await plugin.check(detector.conn) if one.verdict == "bad"] == [
        "the last one of partition 1, 2 came through more than 5 minutes ago"
    ]


async def test_doctor_notices_rejections(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, instrument="nobody-knows"))
    await detector.rows("UPDATE detector.rejection SET recorded_at = now() RETURNING 1")
    assert plugin.check is not None
    assert [one.name for one in await plugin.check(detector.conn) if one.verdict == "notice"] == [
        "rejected ratings"
    ]


@pytest.fixture
def rapport() -> typer.Typer:
    """A command line with the detector's commands."""
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return app


def write(file: Path, rows: list[list[object]]) -> Path:
    header = [
        "client_id",
        "therapist_id",
        "session_id",
        "session_at",
        "instrument",
        *(f"item_{n}" for n in range(1, 5)),
    ]
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([header, *rows])
    return file


def test_score_writes_a_line_per_rating(rapport: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path / "in.csv", [["c", "t", "s1", "2026-01-05T10:00Z", "srs", 9, 9, 9, 9]])
    done = CliRunner().invoke(rapport, ["score", str(file), "--out", str(tmp_path / "out.csv")])
    assert done.exit_code == 0, done.output
    session, client, risk, *_ = (tmp_path / "out.csv").read_text().splitlines()[1].split(",")
    assert (session, client) == ("s1", "c")
    assert 0 <= float(risk) < 0.01


def test_score_with_a_bad_row_names_it_and_writes_nothing(rapport: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path / "in.csv", [["c", "t", "s1", "2026-01-05T10:00Z", "srs", 11, 9, 9, 9]])
    done = CliRunner().invoke(rapport, ["score", str(file), "--out", str(tmp_path / "out.csv")])
    assert (done.exit_code, "row 2: items item 1" in done.output) == (1, True)
    assert [one.name for one in tmp_path.iterdir()] == ["in.csv"]


def test_exported_thresholds_are_read_back(
    rapport: typer.Typer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from services.detector.files import threshold_file

    with psycopg.connect(database_url) as conn:
        conn.execute("INSERT INTO detector.practice (practice_id, added_at) VALUES ('north', %s)", (NOW,))
        conn.execute(
            "INSERT INTO detector.threshold VALUES ('north', 'own-1', 'm', 0.4, %s, %s, '{}')",
            (NOW, NOW - timedelta(days=1)),
        )
    monkeypatch.setenv("DATABASE_URL", database_url)
    file = tmp_path / "north.json"
    done = CliRunner().invoke(rapport, ["thresholds", "export", "--practice", "north", "--out", str(file)])
    assert done.exit_code == 0, done.output
    assert [one["version"] for one in json.loads(file.read_bytes())] == ["own-1"]
    assert [one.value for one in threshold_file.read(file, "m")["north"]] == [0.4]
    assert threshold_file.read(file, "another-model") == {}


def test_exported_statistics_are_read_back(
    rapport: typer.Typer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from services.detector.files import statistics_file

    values = [number / 21 for number in range(21)]
    with psycopg.connect(database_url) as conn:
        conn.execute("INSERT INTO detector.practice (practice_id, added_at) VALUES ('north', %s)", (NOW,))
        conn.execute(
            "INSERT INTO detector.practice_statistics VALUES ('north', 's-1', %s, %s, %s, 20, 60, %s)",
            (NOW, NOW - timedelta(days=1), NOW - timedelta(days=366), values),
        )
    monkeypatch.setenv("DATABASE_URL", database_url)
    file = tmp_path / "north.json"
    done = CliRunner().invoke(rapport, ["statistics", "export", "--practice", "north", "--out", str(file)])
    assert done.exit_code == 0, done.output
    (row,) = statistics_file.read(file)["north"]
    assert (row.version, row.values, row.valid_from) == ("s-1", tuple(values), NOW)


@pytest.mark.parametrize(
    ("given", "exit_code"), [("none", 0), ("exported.json", 0), ("missing.json", 2), ("in.csv", 1)]
)
def test_score_takes_statistics_from_a_file_or_none(
    rapport: typer.Typer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    exit_code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.csv", [["c", "t", "s1", "2026-01-05T10:00Z", "srs", 9, 9, 9, 9]])
    (tmp_path / "exported.json").write_text("[]", encoding="utf-8")
    done = CliRunner().invoke(rapport, ["score", "in.csv", "--out", "out.csv", "--statistics", given])
    assert done.exit_code == exit_code, done.output
    assert (tmp_path / "out.csv").exists() is (exit_code == 0)


def test_the_plugin_says_why_a_record_cannot_be_read_without_quoting_it() -> None:
    record = record_of(body(0, GOOD), 0)
    assert plugin.why_unreadable is not None

    assert plugin.why_unreadable(record.topic, record.key, record.value) is None
    assert plugin.why_unreadable(record.topic, record.key, b"no event") == "undecodable: is not JSON"


async def test_why_lists_a_rating_that_the_detector_rejected(detector: DetectorDriver) -> None:
    await detector.rate(body(0, (4.5, 4.5, 4.5), id="r-odd", instrument="nobody-knows"))
    await detector.rate(body(1, (4.5, 4.5, 4.5), id="r-other", instrument="nobody-knows"))
    assert plugin.trace is not None
    (line,) = await plugin.trace(detector.conn, "north", "s0")
    assert line.what == "rating r-odd rejected (unknown-instrument)"
    assert "no such instrument is described here; alliance.session-rated.v1" in line.why
    assert await plugin.trace(detector.conn, "south", "s0") == []
