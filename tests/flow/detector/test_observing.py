"""A practice that observes: what is kept back, what its page says, and what it is told once live."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from schemas.csv_table import TableReader
from schemas.instruments.catalogue import Catalogue
from schemas.ratings_csv import read_rows
from services.detector.cli.commands import register
from services.detector.cli.plugin import plugin
from services.detector.model.artefact import SHIPPED, load
from services.detector.preview.findings import Findings
from services.detector.preview.observed import ObservedTime
from services.detector.preview.pipeline import observe, try_file
from services.detector.storage.ratings import read_of_practice
from services.runtime.process.cli_plugin import Tenant
from tests.flow.detector.test_episodes import said
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, record_of
from tests.support.detector.tables import EXAMPLE, example, of, write

GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)


async def set_mode(detector: DetectorDriver, mode: str) -> None:
    assert plugin.put_tenant is not None
    await plugin.put_tenant(detector.conn, Tenant("north", NOW, {"mode": mode}))
    await detector.conn.commit()


async def test_nothing_is_told_before_going_live_nor_of_it_afterwards(detector: DetectorDriver) -> None:
    await set_mode(detector, "observe")
    await detector.rate(*(body(week, GOOD) for week in (-6, -5, -4)))
    assert said(await detector.rate(body(-3, LOW))) == [("opened", "observing")]
    await set_mode(detector, "live")
    await detector.conn.execute("UPDATE detector.practice SET live_from = %s", (NOW - timedelta(weeks=3),))
    assert said(await detector.rate(body(-2, LOW))) == []
    assert await detector.rows("SELECT kept_back FROM detector.episode") == [("observing",)]
    other = {"client_id": "client-2"}
    await detector.rate(*(body(week, GOOD) | other for week in (-6, -5, -4)))
    assert said(await detector.rate(body(0, LOW) | other)) == [("opened", None)]


async def test_the_time_begins_once_and_ends_once(detector: DetectorDriver) -> None:
    query = "SELECT observing_since, live_from FROM detector.practice WHERE practice_id = 'north'"
    await set_mode(detector, "live")
    assert await detector.rows(query) == [(None, None)]
    await set_mode(detector, "observe")
    (first,) = await detector.rows(query)
    await set_mode(detector, "observe")
    assert await detector.rows(query) == [first]
    assert first[1] is None
    await set_mode(detector, "live")
    (live,) = await detector.rows(query)
    assert (live[0], live[1] is None) == (first[0], False)
    await set_mode(detector, "live")
    assert await detector.rows(query) == [live]
    await set_mode(detector, "observe")
    ((again, still),) = await detector.rows(query)
    assert (again > first[0], still) == (True, None)


def without_rows(found: object) -> object:
    """Leave out the numbers of rows: a file counts its header, and a practice has no file."""
    if isinstance(found, Mapping):
        return {name: without_rows(one) for name, one in found.items() if name not in {"row", "first_row"}}
    return [without_rows(one) for one in found] if isinstance(found, list | tuple) else found


def findings(contents: Findings) -> dict[str, object]:
    return {
        field.name: without_rows([asdict(one) if hasattr(one, "__dataclass_fields__") else one
                                  for one in (value if isinstance(value, tuple) else (value,))])
        for field in fields(Findings)
        for value in [getattr(contents, field.name)]
    }  # fmt: skip


async def test_the_page_says_what_try_says_of_the_same_ratings(
    detector: DetectorDriver, tmp_path: Path
) -> None:
    rows = list(read_rows(TableReader(EXAMPLE), Catalogue.load().item_counts()))
    await detector.feed(
        [
            record_of(row.body, number, accepted_at=NOW + timedelta(seconds=number))
            for number, row in enumerate(rows)
        ]
    )
    ratings = await read_of_practice(detector.conn, "north")
    times = [rating.session_at for rating in ratings]
    file = write(tmp_path / "same.csv", {name: of(name) for name in example()[0]})
    model, catalogue = load(SHIPPED), Catalogue.load()
    for since in (min(times) - timedelta(days=1), min(times) + timedelta(weeks=8)):
        shown = observe(ratings, ObservedTime("north", since, max(times)), model, catalogue)
        tried = try_file(file, model, catalogue, since=since)
        assert len(tried.episodes) > 2
        assert findings(shown) == findings(tried)


def run(database_url: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["observed", *words])


def test_a_practice_that_is_unknown_is_named_and_nothing_is_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    ran = run(database_url, monkeypatch, "nowhere", "--out", str(out))
    assert (ran.exit_code, out.exists()) == (1, False)
    assert "no practice nowhere" in ran.output


async def test_the_command_writes_page_and_json_of_the_time_since_observing_began(
    detector: DetectorDriver, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await set_mode(detector, "observe")
    await detector.conn.execute(
        "UPDATE detector.practice SET observing_since = %s", (NOW - timedelta(weeks=4),)
    )
    await detector.conn.commit()
    await detector.rate(*(body(week, GOOD) for week in range(-12, -1)), body(-1, LOW))
    page, data = tmp_path / "page.html", tmp_path / "page.json"
    words = ("north", "--out", str(page), "--json", str(data))
    ran = await asyncio.to_thread(run, database_url, monkeypatch, *words)
    assert ran.exit_code == 0, ran.output
    report = json.loads(data.read_text(encoding="utf-8"))
    assert (report["total"]["rated"], report["total"]["messages"]) == (3, 1)
    ((episode,),) = (report["episodes"],)
    assert (episode["client_id"], [one["session_id"] for one in episode["messages"]]) == ("client-1", ["s-1"])
    text = page.read_text(encoding="utf-8")
    assert "what opened before, as on this page, is never told afterwards" in text
    assert "client client-1" in text
    assert "row" not in {word for line in text.splitlines() if "<p" in line for word in line.split()}
    assert datetime.fromisoformat(report["since"]) == (NOW - timedelta(weeks=4)).astimezone(UTC)
