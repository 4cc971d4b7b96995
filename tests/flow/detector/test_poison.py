"""A record that cannot be processed is set aside alone, whatever it is, and its partition goes on."""

from pathlib import Path

import psycopg
import pytest

from schemas import topics
from tests.support.detector.batch_driver import NOW, body, record_of
from tests.support.detector.running_consumer import running_consumer
from tests.support.embedded_kafka import embedded_kafka
from tests.support.poison import poisons, rejections, send_mixed
from tests.support.runtime.running_sample import until

GOOD = "SELECT count(*) FROM detector.rating JOIN detector.assessment USING (practice_id, rating_id)"


async def test_poison_of_every_kind_between_good_ratings_stops_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_FUSE_OF_LAST_1000", "1001")
    rated = record_of(body(0, [4] * 9, case_id="x", recorded_at=NOW, next_session_at=NOW), 0)
    bad = list(poisons(rated.key or b"", rated.value or b"", other_type=topics.ASSESSED.name))
    good = [record_of(body(0, [4] * 9, client_id=f"c{number}"), 0) for number in range(len(bad))]
    with embedded_kafka() as bootstrap, psycopg.connect(database_url, autocommit=True) as conn:
        async with running_consumer(bootstrap, database_url, tmp_path):
            await send_mixed(
                bootstrap, topics.SESSION_RATED.name, bad, [(one.key, one.value) for one in good]
            )
            await until(lambda: conn.execute(GOOD).fetchone() == (len(good),), "every good rating", 60)
        rejected = rejections(conn, "detector")
    assert [(2 * number, "undecodable", one.value) for number, one in enumerate(bad)] == rejected
