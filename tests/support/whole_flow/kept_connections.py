"""Keeps connections open after their use, so that PostgreSQL starts no process for each of them."""

from collections import defaultdict

from psycopg.pq import TransactionStatus

from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings


class KeptConnections:
    """Opens connections as the product does, and gives those that are idle to whoever asks next.

    To a service they are new ones: nothing of a session outlives its transactions but prepared statements.
    """

    def __init__(self) -> None:
        self._idle: dict[object, list[Connection]] = defaultdict(list)

    async def connect(
        self, settings: DatabaseSettings, name: str, *, transaction_timeout_s: float | None = None
    ) -> Connection:
        """Return a connection that was given back, or a new one; whoever closes it gives it back."""
        idle = self._idle[name, transaction_timeout_s]
        if idle:
            return idle.pop()
        connection = await connect_for_all_practices(
            settings, name, transaction_timeout_s=transaction_timeout_s
        )
        end = connection.close

        async def give_back() -> None:
            if connection.info.transaction_status is TransactionStatus.IDLE:
                idle.append(connection)
            else:
                await end()

        connection.close = give_back  # type: ignore[method-assign] # the product closes what it opened
        return connection

    async def close(self) -> None:
        """Close the connections that were given back."""
        for idle in self._idle.values():
            for connection in idle:
                await type(connection).close(connection)
            idle.clear()
