"""Keeps one database connection and opens a new one after the old one was lost."""

import asyncio
import contextlib

from psycopg.pq import TransactionStatus

from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings


class ReconnectingConnection:
    """A connection for one user at a time, which sees all practices' rows."""

    def __init__(
        self, settings: DatabaseSettings, application_name: str, *, transaction_timeout_s: float | None = None
    ) -> None:
        self._settings = settings
        self._name = application_name
        self._transaction_timeout_s = transaction_timeout_s
        self._conn: Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection without a known fault."""
        return self._conn is not None and not self._conn.closed

    async def get(self) -> Connection:
        """Return the connection, outside any transaction; connect if necessary.

        Raises:
            psycopg.OperationalError: the database is away.
        """
        if self._conn is not None and (
            self._conn.closed or self._conn.info.transaction_status is not TransactionStatus.IDLE
        ):
            await self.close()
        if self._conn is None:
            self._conn = await connect_for_all_practices(
                self._settings, self._name, transaction_timeout_s=self._transaction_timeout_s
            )
        return self._conn

    async def close(self) -> None:
        """Close the connection; the server rolls back an open transaction."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await conn.close()
