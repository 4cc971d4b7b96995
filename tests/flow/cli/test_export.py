"""What is exported of a client is complete, and a practice's ratings give equal results elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.instruments.catalogue import Catalogue
from schemas.rating import parse_rating
from services.cli import plugins
from services.cli.__main__ import application
from services.cli.admin.export_client import export_client
from services.cli.client.rating_files import read_ratings
from services.detector.cli.export import ratings_as_sent
from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import NOW, DetectorDriver, SentRating, body, detector_driver
from tests.support.invariants import stored_assessments, stored_episodes
from tests.support.notifier.batch_driver import MovableClock, NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.postgres import TABLES, fresh_database
from tests.support.service_stack import settings_for

GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)
CLIENT = "client-1"


@pytest.fixture
async def detector(migrated_url: str) -> AsyncIterator[DetectorDriver]:
    """A detector over the tables of every service."""
    async with detector_driver(migrated_url) as ready:
        await ready.practice()
        yield ready


@pytest.fixture
async def notifier(migrated_url: str, tmp_path: Path) -> AsyncIterator[NotifierDriver]:
    """A notifier beside it."""
    with running(MailServer()) as mail_server:
        async with running_notifier(
            migrated_url, tmp_path, clock=MovableClock(NOW), smtp_port=mail_server.port
        ) as ready:
            await ready.add_therapist(therapist_id="therapist-1")
            yield ready


async def load(detector: DetectorDriver, *, client: str) -> list[Record]:
    """Send a course with corrections, a withdrawn, a late and a moved session; return what was published."""
    course: list[SentRating] = [body(week, GOOD, client_id=client) for week in range(-8, -1)]
    published = await detector.rate(*course, body(-1, LOW, client_id=client))
    for minutes, sent in enumerate(
        (
            body(0, client_id=client),
            body(-1, (2.5, 2.0, 2.5), client_id=client),
            body(-3, status="withdrawn", client_id=client),
            body(-3, GOOD, client_id=client, therapist_id="therapist-2"),
            body(-2.5, (4.0, 4.4, 4.5), client_id=client, next_session_at=NOW + timedelta(days=6)),
            body(-2, LOW, client_id=client, recorded_at=NOW + timedelta(minutes=50)),
            body(-2, GOOD, client_id=client, recorded_at=NOW + timedelta(minutes=40)),
        ),
        start=1,
    ):
        published += await detector.rate(sent, accepted_at=NOW + timedelta(minutes=minutes))
    return [
        Record(one.topic, one.partition or 0, at, 0, one.key, one.value) for at, one in enumerate(published)
    ]


async def exported(detector: DetectorDriver) -> list[bytes]:
    return [line async for line in ratings_as_sent(detector.conn, "north")]


async def send_elsewhere(detector: DetectorDriver, lines: Sequence[bytes], folder: Path) -> None:
    """Send a file as `rapport send` reads it and ingest checks it."""
    file = folder / "ratings.ndjson"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    bodies = [
        parse_rating(one.body, NOW + timedelta(days=30)).model_dump(exclude_none=True)
        for one in read_ratings(file, None, dict, Catalogue.load).ratings
    ]
    for start in range(0, len(bodies), 7):
        await detector.rate(*bodies[start : start + 7], accepted_at=NOW + timedelta(days=30))


async def test_an_empty_installation_assesses_exported_ratings_alike(
    detector: DetectorDriver, postgres_url: str, all_tables: str, tmp_path: Path
) -> None:
    for client in (CLIENT, "client-2"):
        await load(detector, client=client)
    lines = await exported(detector)
    assert len(lines) == 2 * 15
    with fresh_database(postgres_url, template=all_tables) as url:
        async with detector_driver(url) as other:
            await other.practice()
            await send_elsewhere(other, lines, tmp_path)
            assert await stored_assessments(other.conn) == await stored_assessments(detector.conn)
            assert await stored_episodes(other.conn) == await stored_episodes(detector.conn)
            # Sent once more, and exported from there, they are the same.
            await send_elsewhere(other, lines, tmp_path)
            assert sorted(await exported(other)) == sorted(lines)


async def test_a_rating_that_waits_is_exported_too(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD))
    await detector.rate(body(0, GOOD, therapist_id="therapist-2"), accepted_at=NOW + timedelta(minutes=1))
    assert await detector.rows("SELECT count(*) FROM detector.blocked") == [(1,)]
    therapists = [json.loads(line)["therapist_id"] for line in await exported(detector)]
    assert therapists == ["therapist-1", "therapist-2"]


async def test_every_table_is_known_to_hold_something_on_clients_or_nothing(detector: DetectorDriver) -> None:
    for plugin in plugins.installed():
        if plugin.has_tables:
            tables = await detector.rows(TABLES, [plugin.name])
            known = {*plugin.client_rows, *plugin.other_tables}
            assert {table for (table,) in tables} - known <= {"migration"}, plugin.name
            assert known <= {table for (table,) in tables}, plugin.name
            assert not plugin.client_rows.keys() & plugin.other_tables


async def test_all_that_names_a_client_is_exported_and_nothing_of_others(
    detector: DetectorDriver, notifier: NotifierDriver
) -> None:
    for client in (CLIENT, "client-2"):
        await notifier.handle_records(await load(detector, client=client))
    await notifier.run_due_jobs()
    await detector.rate(body(0, GOOD, instrument="unknown"))
    found = await export_client(settings_for(notifier.url), "north", CLIENT)
    document = json.dumps(found)
    assert "client-2" not in document
    assert "t1@north.example" not in document
    for plugin in plugins.installed():
        if not plugin.has_tables:
            continue
        for (table,) in await detector.rows(TABLES, [plugin.name]):
            name = f"{plugin.name}.{table}"
            naming = await detector.rows(
                f"SELECT count(*) FROM {name} t WHERE strpos(to_jsonb(t)::text, %s) > 0"
                " OR strpos(to_jsonb(t)::text, encode(convert_to(%s, 'UTF8'), 'hex')) > 0",
                [f'"{CLIENT}', f'"{CLIENT}"'],
            )
            assert len(found.get(name, [])) >= naming[0][0], name
    assert len(found["detector.rating"]) == 15
    assert len(found["detector.rejection"]) == 1
    assert found["notifier.item"]
    marks: Any = found["detector.rating"][0]["marks"]
    assert set(marks) == {"bond", "goal", "task"}


def run(url: str, *words: str) -> Result:
    return CliRunner().invoke(
        application(), ["export", "--practice", "north", *words], env={"DATABASE_URL": url}
    )


def test_the_command_writes_files_that_only_their_owner_reads(migrated_url: str, tmp_path: Path) -> None:
    nobody = run(migrated_url, "--client", CLIENT)
    assert (nobody.exit_code, "Nothing is stored" in nobody.output) == (1, True)

    async def fill() -> None:
        async with detector_driver(migrated_url) as ready:
            await ready.practice()
            await ready.rate(body(0, GOOD))

    asyncio.run(fill())
    one, all_ = tmp_path / "one.json", tmp_path / "all.ndjson"
    assert run(migrated_url, "--client", CLIENT, "--out", str(one)).exit_code == 0
    assert run(migrated_url, "--out", str(all_)).exit_code == 0
    assert {file.stat().st_mode & 0o777 for file in (one, all_)} == {0o600}
    document = json.loads(one.read_text())
    assert (document["client_id"], len(document["tables"]["detector.rating"])) == (CLIENT, 1)
    (line,) = all_.read_text().splitlines()
    assert json.loads(line)["scores"] == {"bond": 4.5, "goal": 4.5, "task": 4.5}
