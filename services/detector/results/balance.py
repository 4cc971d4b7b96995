"""GET /v1/balance: every accepted delivery of a practice by outcome, every episode told or kept back."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.detector.results.dependencies import Pool, practice_for
from services.runtime.http.credentials import CredentialStore

_DELIVERIES = """
SELECT CASE WHEN current THEN 'assessed' ELSE 'superseded' END, NULL, count(*)
FROM detector.rating WHERE practice_id = %(practice)s GROUP BY 1
UNION ALL
SELECT 'duplicate', NULL, count(*) FROM detector.duplicate WHERE practice_id = %(practice)s
UNION ALL
SELECT 'rejected', reason, count(*) FROM detector.rejection WHERE tenant = %(practice)s GROUP BY reason
"""
_EPISODES = """
SELECT kept_back, count(*) FROM detector.episode WHERE practice_id = %(practice)s GROUP BY kept_back
"""


class Deliveries(BaseModel):
    """Accepted deliveries by what became of them; together they are all that was read so far."""

    assessed: int = 0
    superseded: int = 0
    duplicate: int = 0
    rejected: dict[str, int]
    """By reason."""


class Episodes(BaseModel):
    """Episodes that were ever opened: each was told, or kept back for one reason."""

    opened: int
    told: int
    kept_back: dict[str, int]


class Balance(BaseModel):
    """One practice's numbers at one moment."""

    deliveries: Deliveries
    episodes: Episodes


def balance_router(pool: Pool, credentials: CredentialStore) -> APIRouter:
    """The door to the balance."""
    router = APIRouter(prefix="/v1", tags=["balance"])
    Practice = Annotated[str, Depends(practice_for(credentials))]  # noqa: N806 - a type

    @router.get("/balance")
    async def balance(practice: Practice) -> Balance:
        """Counts that add up, of one moment."""
        named = {"practice": practice}
        async with pool.connection() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            deliveries = await (await conn.execute(_DELIVERIES, named)).fetchall()
            episodes: dict[str | None, int] = dict(await (await conn.execute(_EPISODES, named)).fetchall())
        counts = {outcome: count for outcome, reason, count in deliveries if reason is None}
        rejected = {reason: count for _, reason, count in deliveries if reason is not None}
        return Balance(
            deliveries=Deliveries(**counts, rejected=rejected),
            episodes=Episodes(
                opened=sum(episodes.values()),
                told=episodes.get(None, 0),
                kept_back={reason: count for reason, count in episodes.items() if reason is not None},
            ),
        )

    return router
