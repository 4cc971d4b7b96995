"""Records the statements that requests run, and runs them again for other practices.

What another practice may see is what an empty database says: no list of words or columns to look for.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import psycopg
from psycopg import AsyncCursor
from psycopg.abc import Params
from psycopg.rows import TupleRow

from deploy.postgres.tenant_guard import tenant_role

_NO_QUERY = re.compile(r"\s*(SET |RESET |SELECT set_config|SELECT pg_advisory|$)|.*procrastinate", re.DOTALL)
"""Settings, locks, and the queue of jobs, which names ids only."""
FOREIGN = ("elsewhere", "")
"""A practice that has no rows in any test, and a request that did not say which."""
_REFUSED = {"InsufficientPrivilege", "UniqueViolation"}
"""By the policies, or because the row is there already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement gave: the rows that it returned or changed, or the class of the error."""

    rows: Sequence[TupleRow] = ()
    changed: int = 0
    error: str = ""


@dataclass(slots=True)
class RecordedQueries:
    """Each text once, with the parameters of the first time that it ran."""

    found: dict[str, Params | None] = field(default_factory=dict)
    unbound: list[str] = field(default_factory=list)
    """What ran meanwhile on connections that see all practices' rows."""

    def assert_bound(self, url: str, empty: str, schema: str) -> None:
        """Each gives another practice, and nobody, no more than in an empty database, or is refused."""
        for practice in FOREIGN:
            nothing = self.outcomes(empty, schema, practice)
            for query, given in self.outcomes(url, schema, practice).items():
                assert given.error in {"", *_REFUSED}, query
                assert given.error or given == nothing[query], query

    def outcomes(self, url: str, schema: str, practice: str) -> dict[str, Outcome]:
        """Run every statement in the role of requests for this practice, and take it back."""
        outcomes = {}
        options = f"-c role={tenant_role(schema)} -c timezone=UTC -c lock_timeout=5s"
        with psycopg.connect(url, options=options, autocommit=True) as conn:
            conn.execute("SELECT set_config('rapport.practice', %s, false)", (practice,))
            for query, parameters in self.found.items():
                with conn.transaction(force_rollback=True):
                    outcomes[query] = _run(conn, query, parameters)
        return outcomes


def _run(conn: psycopg.Connection[TupleRow], query: str, parameters: Params | None) -> Outcome:
    try:
        with conn.transaction(), conn.cursor() as cursor:
            cursor.execute(query.encode(), parameters)
            return Outcome(cursor.fetchall() if cursor.description else (), max(cursor.rowcount, 0))
    except psycopg.Error as error:
        return Outcome(error=type(error).__name__)


@contextmanager
def asked_again(schema: str, url: str, empty: str) -> Iterator[None]:
    """Ask for other practices what requests ask meanwhile; `empty` is a database with the same tables."""
    with recording(schema) as recorded:
        yield
    recorded.assert_bound(url, empty, schema)


@contextmanager
def recording(schema: str) -> Iterator[RecordedQueries]:
    """Record what runs on connections in the role of requests, opened in it or holding it for a while."""
    recorded = RecordedQueries()
    bound: set[int] = set()
    execute = AsyncCursor.execute

    async def noted(
        cursor: AsyncCursor[TupleRow], query: str | bytes, params: Params | None = None, **more: bool
    ) -> AsyncCursor[TupleRow]:
        text = query if isinstance(query, str) else query.decode()
        one = id(cursor.connection)
        if text.startswith("SET LOCAL ROLE"):
            bound.add(one)
        elif text == "RESET ROLE":
            bound.discard(one)
        options = cursor.connection.info.get_parameters().get("options", "")
        if _NO_QUERY.match(text):
            pass
        elif one in bound or f"-c role={tenant_role(schema)}" in options:
            recorded.found.setdefault(text, params)
        else:
            recorded.unbound.append(text)
        return await execute(cursor, query.encode() if isinstance(query, str) else query, params, **more)

    with patch.object(AsyncCursor, "execute", noted):
        yield recorded
