"""The tables of the version before become those of sandboxes, unless a practice would be taken for one."""

from collections.abc import Iterator

import psycopg
import pytest

from services.runtime.postgres.migrations import migrate
from services.runtime.process.errors import Halt
from tests.support.postgres import fresh_database

BEFORE = {"detector": "0027", "notifier": "0025"}
AT = {"detector": "0028", "notifier": "0026"}
PLACE = "INSERT INTO {}.erased (cluster_id, topic, partition, \"offset\") VALUES ('c', 't', 0, %s)"


@pytest.fixture(params=BEFORE)
def before(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A database with a service's tables of the version before, and the service."""
    with fresh_database(postgres_url) as url:
        migrate(url, request.param, BEFORE[request.param])
        yield url, request.param


def test_places_get_a_time_and_the_version_before_goes_on_adding_some(before: tuple[str, str]) -> None:
    url, service = before
    with psycopg.connect(url, autocommit=True) as conn:
        statement = PLACE.format(service).encode()
        conn.execute(statement, (1,))
        migrate(url, service, AT[service])
        conn.execute(statement, (2,))
        dated = conn.execute(
            f"SELECT count(*) FROM {service}.erased WHERE erased_at > now() - interval '1 hour'".encode()
        ).fetchone()
    assert dated == (2,)


def test_a_practice_that_would_be_erased_every_night_stops_the_migration(postgres_url: str) -> None:
    add = "INSERT INTO detector.practice (practice_id, added_at, max_age_days) VALUES (%s, now(), 21)"
    with fresh_database(postgres_url) as url:
        migrate(url, "detector", BEFORE["detector"])
        with psycopg.connect(url, autocommit=True) as conn:
            for practice in ("sandbox", "north.sandbox"):
                conn.execute(add, (practice,))
            with pytest.raises(Halt, match="under another id"):
                migrate(url, "detector")
            conn.execute("DELETE FROM detector.practice WHERE practice_id = 'north.sandbox'")
        migrate(url, "detector")
