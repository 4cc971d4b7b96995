"""Stores which model scores which practice, and since when; the next batch reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.runtime.postgres.connect import Connection

_MAP = """
WITH changed AS (
    UPDATE detector.practice SET model_version = %(version)s
    WHERE practice_id = ANY(%(practices)s) AND model_version IS DISTINCT FROM %(version)s
    RETURNING practice_id
)
INSERT INTO detector.model_activation (practice_id, activated_at, model_version)
SELECT practice_id, %(at)s, %(version)s FROM changed
"""
_KNOWN = "SELECT practice_id FROM detector.practice WHERE practice_id = ANY(%s)"
_LIST = """
SELECT p.practice_id, p.model_version, max(a.activated_at),
    (SELECT count(*) FROM detector.response r WHERE r.practice_id = p.practice_id)
FROM detector.practice p LEFT JOIN detector.model_activation a USING (practice_id)
GROUP BY 1, 2 ORDER BY 1
"""


class UnknownPractice(ValueError):
    """No such practice; the message says which."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A practice, the model that scores it (None: the shipped one), since when, and its answers so far."""

    practice: str
    version: str | None
    since: datetime | None
    """None: since the practice was added, or it is not known."""
    answers: int


async def activate(conn: Connection, practices: Sequence[str], version: str | None, at: datetime) -> None:
    """Map these practices to a model; sessions rated from now on are scored with it, the others stay.

    Raises:
        UnknownPractice: one is not there; nothing was changed.
    """
    known = {row[0] for row in await (await conn.execute(_KNOWN, (list(practices),))).fetchall()}
    missing = sorted(set(practices) - known)
    if missing:
        raise UnknownPractice(f"there is no practice {', '.join(missing)}: rapport practices add")
    await conn.execute(_MAP, {"practices": list(practices), "version": version, "at": at})


async def activated_versions(conn: Connection) -> set[str]:
    """Return the versions that were ever activated."""
    rows = await conn.execute(
        "SELECT DISTINCT model_version FROM detector.model_activation WHERE model_version IS NOT NULL"
    )
    return {version for (version,) in await rows.fetchall()}


async def read_mapped(conn: Connection) -> list[Mapped]:
    """Every practice with its model."""
    return [Mapped(*row) for row in await (await conn.execute(_LIST)).fetchall()]
