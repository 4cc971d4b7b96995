"""What a practice reads takes no longer than it may: the balance reads indexes, and slow statements end."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.detector.results import balance
from services.runtime.postgres import tenant_guard
from tests.flow.detector.test_results import results_client
from tests.support.detector.batch_driver import DetectorDriver, body

RATINGS = 200_000
GENERATED = f"""
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, accepted_at, content_hash, current, cluster, partition, "offset")
SELECT CASE WHEN n % 4 > 0 THEN 'north' ELSE 'south' END, md5(n::text)::uuid::text,
    md5('d' || n % 10000)::uuid, 'c' || n % 10000, 's' || n, now(), 'wai-9', 'rated', now(),
    sha256('a'), n % 1000 > 0, 1, 0, n
FROM generate_series(1, {RATINGS}) AS n;
INSERT INTO detector.assessment (dyad_id, session_id, instrument, practice_id, rating_id, session_at,
    revision, model_version, may_flag, flagged, step, numbers)
SELECT dyad_id, session_id, instrument, practice_id, rating_id, session_at, 1, 'm', true, false, '', ''
FROM detector.rating WHERE current;
INSERT INTO detector.duplicate (cluster_id, partition, "offset", practice_id, rating_id, accepted_at,
    superseded)
SELECT 'c', 0, n, 'north', md5(n::text)::uuid::text, now(), n % 1000 = 1 FROM generate_series(1, 20000) AS n;
"""


def scans(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """Every scan of a plan: its kind and its index, or else its table."""
    own = []
    if "Relation Name" in plan:
        own = [(plan["Node Type"], plan.get("Index Name", plan["Relation Name"]))]
    return own + [scan for part in plan.get("Plans", []) for scan in scans(part)]


async def test_the_balance_reads_no_table_of_ratings_from_end_to_end(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(GENERATED.encode())
        conn.execute("VACUUM ANALYZE detector.rating, detector.assessment, detector.duplicate")
    options = "-c role=detector_tenant -c rapport.practice=north"
    with psycopg.connect(database_url, options=options) as conn:
        conn.execute(balance._INDEXES_ONLY)
        query = f"EXPLAIN (FORMAT JSON) {balance._DELIVERIES}"
        ((found,),) = conn.execute(query.encode(), {"practice": "north"}).fetchall()
    plan = found if isinstance(found, list) else json.loads(found)
    large = ("rating", "assessment", "duplicate")
    of_ratings = [scan for scan in scans(plan[0]["Plan"]) if scan[1].startswith(large)]
    assert {kind for kind, _ in of_ratings} == {"Index Only Scan"}
    of_rating = sorted(index for _, index in of_ratings if index.startswith("rating"))
    assert of_rating == ["rating_measure", "rating_of_practice", "rating_superseded"]
    async with results_client(database_url, tmp_path, "north") as north:
        counted = (await north.get("/v1/balance")).json()["deliveries"]
    # Every 1,000th is superseded, and every fourth belongs to the other practice: so does each of the former.
    assert (counted["assessed"], counted["superseded"], counted["duplicate"]) == (150_000, 20, 19_980)


async def test_a_read_that_takes_too_long_is_answered_with_when_to_ask_again(
    detector: DetectorDriver, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await detector.rate(body(0, (4.5, 4.5, 4.5), id="one"))
    monkeypatch.setattr(tenant_guard, "READ_TIMEOUT_S", 0.2)
    async with results_client(database_url, tmp_path, "north") as north:
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE detector.rating IN ACCESS EXCLUSIVE MODE")
            answer = await north.get("/v1/balance")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["title"] == "Took too long"
        assert (await north.get("/v1/balance")).status_code == 200
