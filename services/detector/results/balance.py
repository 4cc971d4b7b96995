"""GET /v1/balance: counts a practice's deliveries by outcome, and its episodes told or kept back."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.detector.results.dependencies import SCOPE, Pool
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import Tenant, tenant_router
from services.runtime.postgres.tenant_guard import act_for

# What is rare has an index of its own, and all ratings are counted in one of the practice alone, which is
# small and goes by the order of the table (`rating_of_practice`): no count reads the table itself.
_DELIVERIES = """
WITH counted AS (
    SELECT (SELECT count(*) FROM detector.rating WHERE practice_id = %(practice)s) AS ratings,
        (SELECT count(*) FROM detector.rating WHERE practice_id = %(practice)s AND NOT current) AS old_ones,
        (SELECT count(*) FROM detector.rating WHERE practice_id = %(practice)s AND measure AND current)
            AS measures,
        (SELECT count(*) FROM detector.duplicate WHERE practice_id = %(practice)s) AS again,
        (SELECT count(*) FROM detector.duplicate WHERE practice_id = %(practice)s AND superseded) AS old_again
)
SELECT 'assessed', NULL, ratings - old_ones - measures FROM counted
UNION ALL
SELECT 'stored', NULL, measures FROM counted
UNION ALL
SELECT 'superseded', NULL, old_ones + old_again FROM counted
UNION ALL
SELECT 'duplicate', NULL, again - old_again FROM counted
UNION ALL
SELECT 'blocked', NULL, count(*) FROM detector.blocked
WHERE practice_id = %(practice)s AND rating_id IS NOT NULL
UNION ALL
SELECT 'erased', NULL, count(*) FROM detector.erased WHERE tenant = %(practice)s
UNION ALL
SELECT 'rejected', reason, count(*) FROM detector.rejection
WHERE tenant = %(practice)s AND replayed_at IS NULL GROUP BY reason
"""
# For a practice with most of the rows, PostgreSQL expects the table to be read as fast as the index: several
# times as many pages, which everybody else's reads then miss in its memory.
_INDEXES_ONLY = "SET LOCAL enable_seqscan = off"
_EPISODES = """
SELECT kept_back, count(*) FROM detector.episode WHERE practice_id = %(practice)s GROUP BY kept_back
"""


class DeliveryCounts(BaseModel):
    """Accepted deliveries by outcome; their sum is all that was read so far."""

    assessed: int = 0
    stored: int = 0
    """Those of outcome and by therapists: they are kept beside the ratings of the alliance, never scored."""
    superseded: int = 0
    duplicate: int = 0
    blocked: int = 0
    """Those that wait until they can take effect; each will be one of the others."""
    erased: int = 0
    """Those whose client, therapist or whole practice was erased after they were accepted, and rejected ones
    that are not kept any more."""
    rejected: dict[str, int]
    """By reason. A record that was published again counts by what came of that."""


class EpisodeCounts(BaseModel):
    """All episodes ever opened. The therapist was told of each, or it was kept back for one reason."""

    opened: int
    told: int
    kept_back: dict[str, int]


class PracticeBalance(BaseModel):
    """One practice's counts, all taken at one moment."""

    deliveries: DeliveryCounts
    episodes: EpisodeCounts


def balance_router(pool: Pool, credentials: CredentialStore) -> APIRouter:
    """Return the router with the endpoint."""
    router = tenant_router(credentials, SCOPE, prefix="/v1", tag="balance")

    @router.get("/balance")
    async def balance(practice: Tenant) -> PracticeBalance:
        """Return the practice's counts, all taken at one moment."""
        parameters = {"practice": practice}
        async with pool.connection() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await act_for(conn, practice)
            await conn.execute(_INDEXES_ONLY)
            deliveries = await (await conn.execute(_DELIVERIES, parameters)).fetchall()
            episodes: dict[str | None, int] = dict(
                await (await conn.execute(_EPISODES, parameters)).fetchall()
            )
        counts = {outcome: count for outcome, reason, count in deliveries if reason is None}
        rejected = {reason: count for _, reason, count in deliveries if reason is not None}
        return PracticeBalance(
            deliveries=DeliveryCounts(**counts, rejected=rejected),
            episodes=EpisodeCounts(
                opened=sum(episodes.values()),
                told=episodes.get(None, 0),
                kept_back={reason: count for reason, count in episodes.items() if reason is not None},
            ),
        )

    return router
