"""Erases a client, a therapist or a practice from the tables of every service.

A client is erased in one transaction, beside which no other runs that could write about the same client. A
therapist or a practice may have many clients. First it is stored until when they are erased, so that nothing
of theirs takes effect any more; then a number of clients at a time are erased.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable

from services.cli import plugins
from services.runtime.outbox.erasures import Erasure, Erasures, StoredErasure, close_gate
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.postgres.former_names import client_names
from services.runtime.process.cli_plugin import ErasedRows, ErasureScope
from services.runtime.process.settings import DatabaseSettings

_CLIENTS_AT_ONCE = 20
_TRIES = 10
"""How often a transaction is tried while others hold what it needs; it waits for 5 s each time."""
_LONGEST_PAUSE_S = 1.0


async def erase(
    database: DatabaseSettings, secret: bytes, scope: ErasureScope, *, requested_by: str, keep: bool = True
) -> Counter[str]:
    """Erase, and return how many rows of which table; without `keep`, only find out how many.

    Repeating an interrupted erasure finishes it.

    Raises:
        Halt: the secret is another one than that of earlier erasures.
        psycopg.Error: PostgreSQL failed, or the role does not own the tables of a practice.
    """
    async with await connect_for_all_practices(database, "rapport-erase") as conn:
        await conn.set_autocommit(True)
        return await _Eraser(conn, secret, scope, requested_by, keep=keep).run()


async def list_erasures(database: DatabaseSettings, tenant: str | None) -> list[tuple[str, StoredErasure]]:
    """Return the erasures of a tenant, or of all, each with the service whose tables it was about."""
    async with await connect_for_all_practices(database, "rapport-erase") as conn:
        return [
            (name, one)
            for name in plugins.services_with_tables()
            for one in await Erasures(name).stored(conn, tenant)
        ]


class _Eraser:
    """Erases one scope from every service's tables."""

    def __init__(
        self, conn: Connection, secret: bytes, scope: ErasureScope, requested_by: str, *, keep: bool
    ) -> None:
        self._conn = conn
        self._scope = scope
        self._requested_by = requested_by
        self._keep = keep
        self._erasers = [plugin.eraser(secret) for plugin in plugins.installed() if plugin.eraser is not None]
        self._erasures = [Erasures(name, secret) for name in plugins.services_with_tables()]

    async def run(self) -> Counter[str]:
        """Erase in as many transactions as it takes; return the number of rows by table."""
        total = ErasedRows()
        if self._scope.client is None:
            await self._transact(partial(self._record, total))
        clients = await self._clients()
        most = len(clients) + 1
        # While somebody goes on sending, each round leaves fewer clients to the last transaction.
        while _CLIENTS_AT_ONCE < len(clients) < most:
            for start in range(0, len(clients), _CLIENTS_AT_ONCE):
                work = partial(self._erase, clients[start : start + _CLIENTS_AT_ONCE], total)
                total = await self._transact(work)
            most = len(clients)
            clients = await self._clients() if self._keep else []
        total = await self._transact(partial(self._erase_last, clients, total))
        return total.counts

    async def _clients(self) -> list[str]:
        if self._scope.client is not None:
            return [self._scope.client]
        found = [await eraser.clients(self._conn, self._scope) for eraser in self._erasers]
        return sorted(set().union(*found))

    async def _erase(self, clients: Sequence[str], before: ErasedRows) -> ErasedRows:
        erased = ErasedRows(Counter(before.counts), before.newest)
        for eraser in self._erasers:
            await eraser.erase_clients(self._conn, self._scope, clients, erased)
        return erased

    async def _erase_last(self, clients: Sequence[str], before: ErasedRows) -> ErasedRows:
        """Erase the last clients and the rest, and store until when all of it is erased.

        What was accepted before this transaction is erased, so that it also takes what came since the
        clients were listed.
        """
        scopes = [self._scope]
        if self._scope.client is not None:
            # Whoever was renamed is erased by any reference: what was sent may name each of them.
            clients = await self._names(self._scope.client)
            scopes = [replace(self._scope, client=name) for name in clients]
        elif self._keep:
            clients = await self._clients()
        erased = await self._erase(clients, before)
        for eraser in self._erasers:
            for scope in scopes:
                await eraser.erase_rest(self._conn, scope, erased)
        return await self._record(erased, scopes)

    async def _names(self, client: str) -> list[str]:
        found = [
            await client_names(self._conn, service, self._scope.tenant, client)
            for service in plugins.services_with_tables()
        ]
        return sorted(set().union(*found))

    async def _record(self, erased: ErasedRows, scopes: Sequence[ErasureScope] = ()) -> ErasedRows:
        """Store until when everything is erased: until now, or a clock was ahead of this one."""
        rows = await self._conn.execute(
            "SELECT greatest(clock_timestamp(), %s::timestamptz)", (erased.newest,)
        )
        ((until,),) = await rows.fetchall()
        for scope in scopes or [self._scope]:
            erasure = Erasure(scope.subject, scope.tenant, until, self._requested_by, erased.counts)
            for erasures in self._erasures:
                await erasures.record(self._conn, erasure)
        return erased

    async def _transact(self, work: Callable[[], Awaitable[ErasedRows]]) -> ErasedRows:
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._conn.transaction(force_rollback=not self._keep):
                    await close_gate(self._conn)
                    return await work()
            except (LockNotAvailable, DeadlockDetected):
                if attempt == _TRIES:
                    raise
                # Batches that have begun go first; new ones waited behind this transaction.
                await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311 - no secret
        raise psycopg.OperationalError("PostgreSQL had no time for the erasure")
