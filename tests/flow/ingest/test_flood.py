"""A practice that floods does not slow another one down."""

import asyncio
from pathlib import Path

import httpx

from tests.support.ingest.process import ingest_process
from tests.support.ingest.running import RATING, lines

CALM_RATINGS = 40
STREAMS = 8
"""Batches that one practice may have open; at its rate each of these needs longer than the whole test."""
LIMITS = {"INGEST_RATINGS_PER_SECOND": "50", "HTTP_GRACEFUL_TIMEOUT_S": "1"}


async def test_a_calm_practice_does_not_stand_in_line_behind_one_that_floods(
    kafka_env: dict[str, str], tmp_path: Path
) -> None:
    history = lines(*[{**RATING, "session_id": f"s-{number}"} for number in range(5_000)])
    with ingest_process(kafka_env, tmp_path, **LIMITS) as ingest:
        loud, calm = ingest.key("loud"), ingest.key("calm")
        loud_statuses: list[int] = []
        calm_answers: list[int] = []
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(base_url=ingest.url, timeout=60, limits=limits) as http:

            async def flood_single() -> None:
                while len(calm_answers) < CALM_RATINGS:
                    loud_statuses.append(
                        (await http.post("/v1/ratings", json=RATING, headers=loud)).status_code
                    )

            async def flood_batch() -> None:
                kind = {"Content-Type": "application/x-ndjson"}
                await http.post("/v1/ratings/batch", content=history, headers=kind | loud)

            async def be_calm() -> None:
                for number in range(CALM_RATINGS):
                    body = {**RATING, "session_id": f"s-{number}"}
                    response = await http.post("/v1/ratings", json=body, headers=calm)
                    calm_answers.append(response.status_code)

            batches = [asyncio.create_task(flood_batch()) for _ in range(12)]
            singles = [asyncio.create_task(flood_single()) for _ in range(16)]
            await be_calm()
            still_flooding = sum(not batch.done() for batch in batches)
            await asyncio.gather(*singles)
            for batch in batches:
                batch.cancel()
            await asyncio.gather(*batches, return_exceptions=True)
    assert set(calm_answers) == {202}
    assert 429 in loud_statuses
    # Had the calm one stood in line behind what the loud one sent first, that would be done by now.
    assert still_flooding == STREAMS
