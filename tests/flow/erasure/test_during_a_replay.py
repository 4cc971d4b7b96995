"""A client is erased while running services read every topic again from its start, beside live ratings."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg import AsyncConnection

from services.cli.admin.erase import erase
from services.cli.home import Home
from services.runtime.process.cli_plugin import ErasureScope
from services.runtime.process.settings import ErasureSettings
from tests.support.backend import embedded_backend
from tests.support.erasure import database, tables_with
from tests.support.invariants import broken
from tests.support.postgres import fresh_database
from tests.support.service_stack import running_stack, wait_until

SESSIONS = 6
OTHERS = 10
POSITIONS = " UNION ALL ".join(
    f"SELECT '{schema}', topic, partition, next_offset FROM {schema}.applied"
    for schema in ("detector", "notifier")
)
SMALL_BATCHES = {"DETECTOR_MAX_RECORDS": "4"}
"""So that reading everything again takes many transactions."""


def rating(client: str, number: int, mark: float) -> dict[str, object]:
    at = datetime.now(UTC) - timedelta(hours=1) - timedelta(weeks=SESSIONS - number)
    return {
        "id": f"rating-{client}-{number}-",
        "client_id": f"client-{client}",
        "therapist_id": "t-1" if client == "gone" else "t-2",
        "session_id": f"session-{client}-{number}-",
        "session_at": at.isoformat(),
        "instrument": "srs",
        "items": [mark] * 4,
    }


def course(client: str) -> list[dict[str, object]]:
    """Return a course of sessions whose last one is far lower."""
    return [rating(client, number, 9.0 if number < SESSIONS else 2.0) for number in range(1, SESSIONS + 1)]


@pytest.mark.timeout(300)
def test_nothing_is_left_nobody_is_told_and_the_balance_is_true(postgres_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as url,
        running_stack(backend, url, home, environment=SMALL_BATCHES) as stack,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        for therapist in ("t-1", "t-2"):
            address = {"address": f"{therapist}@north.example"}
            stack.client.put_therapist("north", therapist, address)
        for client in ("gone", *(f"other{number}" for number in range(OTHERS))):
            stack.send("north", course(client))
        stack.settled()
        query = "SELECT episode_id::text FROM detector.episode WHERE client_id = 'client-gone'"
        episodes = [episode for (episode,) in conn.execute(query)]
        query = "SELECT dyad_id::text FROM detector.dyad WHERE client_id = 'client-gone'"
        ids = {
            "client-gone",
            "session-gone-",
            "rating-gone-",
            *episodes,
            *(dyad for (dyad,) in conn.execute(query)),
        }
        decisions = "SELECT count(*) FROM notifier.decision WHERE therapist_id = 't-2'"
        told, decided = stack.mails.count(), conn.execute(decisions).fetchone()
        assert (len(episodes), told > OTHERS / 2) == (1, True)

        for name in ("detector", "notifier"):
            stack.stop(name)
        ends = set(conn.execute(POSITIONS).fetchall())
        for schema in ("detector", "notifier"):
            conn.execute(f"UPDATE {schema}.applied SET next_offset = 0, last_crc = NULL".encode())
        for name in ("detector", "notifier"):
            stack.supervisor.processes[name].start()
        begun = "SELECT sum(next_offset) > 0 FROM detector.applied"
        wait_until(lambda: conn.execute(begun).fetchone() == (True,), "the replay has begun", 60)
        live = Thread(target=stack.send, args=("north", course("live")))
        live.start()
        counts = asyncio.run(_erase(url, home))
        live.join()
        for name in ("detector", "notifier"):
            stack.wait_ready(name)

        def is_read_again() -> bool:
            now = {row[:3]: row[3] for row in conn.execute(POSITIONS).fetchall()}
            return all(now[row[:3]] >= row[3] for row in ends)

        wait_until(is_read_again, "everything was read again", 60)
        balance = stack.settled().balance
        assert counts["detector.rating"] == SESSIONS
        assert balance.deliveries["erased"] == SESSIONS
        assert balance.delivered == SESSIONS * (OTHERS + 2)
        assert asyncio.run(_left(url, sorted(ids))) == (set(), {})
        # What the live client's last session gave is new; nothing about the others is told again.
        live_told = conn.execute(
            "SELECT count(*) FROM notifier.delivery JOIN notifier.item USING (episode_id)"
            " WHERE client_id = 'client-live' AND delivery.state = 'sent'"
        ).fetchone()
        assert live_told is not None
        assert stack.mails.count() == told + live_told[0]
        of_others = f"{decisions} AND session_id NOT LIKE 'session-live-%'"
        assert conn.execute(of_others.encode()).fetchone() == decided


async def _erase(url: str, home: Path) -> dict[str, int]:
    secret = ErasureSettings(erasure_secret_file=Home(home).secret("erasure")).secret()
    assert secret is not None
    scope = ErasureScope("north", client="client-gone")
    return await erase(database(url), secret, scope, requested_by="a test")


async def _left(url: str, ids: Sequence[str]) -> tuple[set[str], dict[str, object]]:
    async with await AsyncConnection.connect(url) as conn:
        return await tables_with(conn, set(ids)), dict(await broken(conn))
