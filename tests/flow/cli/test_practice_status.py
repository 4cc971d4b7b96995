"""`rapport practices status` reads from the database what became of a practice's ratings and messages."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli.__main__ import application
from services.cli.admin.practice_status import read_status
from services.cli.admin.practices import store_practice
from tests.support.erasure import database

NOW = datetime.now(UTC)


Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection]:
    """A connection to the tables, which commits each statement."""
    with psycopg.connect(migrated_url, autocommit=True) as ready:
        yield ready


def accept(connection: Connection, ago: timedelta, practice: str = "north") -> None:
    """Store a rating that was accepted so long ago."""
    name = str(uuid4())
    connection.execute(
        "INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at,"
        ' instrument, status, accepted_at, content_hash, current, cluster, partition, "offset")'
        " VALUES (%s, %s, %s, %s, 's', %s, 'srs', 'rated', %s, '', true, 1, 0, 0)",
        (practice, name, uuid4(), name, NOW, NOW - ago),
    )


def status(url: str, practice: str = "north") -> dict[str, str]:
    return {line.what: line.found for line in asyncio.run(read_status(database(url), practice))}


def test_a_practice_that_sent_nothing_has_a_line_for_everything(migrated_url: str) -> None:
    assert status(migrated_url) == {
        "added": "never: no practice has this id",
        "last arrival": "nothing was read yet",
        "rejected, last 24 hours": "none",
        "waiting": "none",
        "episodes open now": "0",
        "opened, last 24 hours": "0 told",
        "feed": "no silence noticed",
        "messages waiting": "none",
        "messages ended, last 24 hours": "none",
        "therapists without an address": "0 with an item",
    }


def test_the_last_day_stands_beside_a_usual_one(migrated_url: str, connection: Connection) -> None:
    for hours, number in ((2, 3), (30, 4), (54, 6), (24 * 7 + 5, 8), (24 * 40, 90)):
        for _ in range(number):
            accept(connection, timedelta(hours=hours))
    accept(connection, timedelta(minutes=1), "south")
    connection.execute(
        "INSERT INTO detector.practice (practice_id, added_at) VALUES ('north', '2026-01-02T03:04+01:00')"
    )
    connection.execute(
        'INSERT INTO detector.duplicate (cluster_id, partition, "offset", practice_id, rating_id,'
        " accepted_at) VALUES ('c', 0, 7, 'north', 'again', %s)",
        (NOW - timedelta(hours=1),),
    )
    found = status(migrated_url)
    assert found["added"] == "2026-01-02 02:04 UTC"
    assert found["last arrival"] == f"{NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC"
    assert found["last 24 hours"] == "4 arrived; usually 6 a day (on 3 of the 28 days before)"
    assert status(migrated_url, "south")["last 24 hours"] == "1 arrived; none in the 28 days before"


def test_what_did_not_take_effect_and_what_was_told_is_counted_by_reason(
    migrated_url: str, connection: Connection
) -> None:
    for offset, (reason, hours) in enumerate(
        (("id-reused", 1), ("id-reused", 2), ("undecodable", 3), ("old", 25))
    ):
        connection.execute(
            'INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", reason, detail, tenant,'
            " recorded_at) VALUES ('c', 't', 0, %s, %s, '', 'north', %s)",
            (offset, reason, NOW - timedelta(hours=hours)),
        )
    connection.execute(
        'INSERT INTO detector.blocked (cluster_id, topic, partition, "offset", key, value, practice_id,'
        " client_id, rating_id, reason, recorded_at) VALUES ('c', 't', 0, 9, '', '', 'north', 'c-1', 'r-1',"
        " 'model-not-loaded', '2026-01-02T03:04Z')"
    )
    for number, kept in enumerate((None, None, "observing", "too-old")):
        episode, at = uuid4(), NOW - timedelta(hours=number)
        connection.execute(
            "INSERT INTO detector.episode (episode_id, dyad_id, practice_id, therapist_id, client_id,"
            " case_id, revision, state, opened_session, opened_at, kept_back)"
            " VALUES (%s, %s, 'north', 't', 'c', '', 1, 'open', 's', %s, %s)",
            (episode, uuid4(), at, kept),
        )
        connection.execute(
            "INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, kept_back,"
            " session_id, changed_at, data) VALUES (%s, 1, 'north', 'opened', %s, 's', %s, '{}')",
            (episode, kept, at),
        )
    long_ago = NOW - timedelta(days=2)
    messages: list[tuple[str, str | None, datetime | None]] = [
        ("failed", "unknown-recipient", NOW),
        ("sent", None, long_ago),
        ("retrying", "unreachable", None),
    ]
    for state, why, finished in messages:
        connection.execute(
            "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, channel, state,"
            " reason, created_at, give_up_at, finished_at, due_at, due_reason)"
            " VALUES (%s, 'sign-in', 'north', 't', 'email', %s, %s, %s, %s, %s, %s, 'now')",
            (uuid4(), state, why, long_ago, NOW, finished, NOW),
        )
    connection.execute(
        "INSERT INTO notifier.feed_silence (practice_id, last_day, usual_gap_days, decided_at, outcome,"
        " reason) VALUES ('north', '2026-11-02', 3, now(), 'suppressed', 'no-contact')"
    )
    found = status(migrated_url)
    assert found["rejected, last 24 hours"] == "2 id-reused, 1 undecodable"
    assert found["waiting"] == ("1 since 2026-01-02 03:04 until a detector has loaded the practice's model")
    assert found["opened, last 24 hours"] == "2 told; kept back: 1 observing, 1 too-old"
    assert found["messages waiting"] == "1 email retrying (unreachable)"
    assert found["messages ended, last 24 hours"] == "1 email failed (unknown-recipient)"
    assert found["last arrival"] == f"{NOW - timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC"
    assert found["last 24 hours"] == "3 arrived; usually 1 a day (on 1 of the 28 days before)"
    assert found["feed"] == "silent: nothing since 2026-11-02; the usual gap is 3 days"


def test_the_command_prints_a_line_for_each(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    asyncio.run(store_practice(database(migrated_url), "north", {}))
    ran = CliRunner().invoke(application(), ["practices", "status", "north"])
    assert ran.exit_code == 0
    assert "last arrival                   nothing was read yet\n" in ran.stdout
