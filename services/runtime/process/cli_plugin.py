"""What a service contributes to the command line, found through the entry points `rapport.plugins`.

The command line imports no service: an installed service adds its own commands and checks.
"""

import getpass
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import typer
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

Connection = AsyncConnection[TupleRow]

_NAMES = "position(convert_to('\"{0}_id\":' || to_json(%({0})s::text)::text, 'UTF8') IN value) > 0"
NAMES_CLIENT = " AND ".join(_NAMES.format(name) for name in ("practice", "client"))
"""The condition by which records about one client are found among stored ones, as the services write them."""
RUNTIME_TABLES = frozenset(
    {
        "heartbeat", "therapist_name", "cluster", "applied", "epoch", "outbox_floor", "halt", "set_aside",
        "unaccounted", "published", "erasure", "erased", "runs_from",
    }
)  # fmt: skip
"""The tables that every service keeps and that hold nothing on a client."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant with its options, by name and as text; the services declare which options there are."""

    id: str
    added_at: datetime
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One event in the history of a piece of work, and its cause."""

    at: datetime | None
    what: str
    why: str


class Verdict(StrEnum):
    """The result of a check."""

    GOOD = "good"
    NOTICE = "notice"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was checked, its verdict, what was found, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One thing that an operator looks at first of a tenant, and how it is now."""

    what: str
    found: str


def subcommands(app: typer.Typer, name: str, summary: str) -> typer.Typer:
    """Return the command group of this name, to which several plugins may add; create it if necessary."""
    for group in app.registered_groups:
        if group.name == name and group.typer_instance is not None:
            return group.typer_instance
    made = typer.Typer(no_args_is_help=True, help=summary)
    app.add_typer(made, name=name)
    return made


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The part of a partition's log from an offset on."""

    cluster_id: str
    topic: str
    partition: int
    from_offset: int


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """A record whose place in the log is stored."""

    offset: int
    matches: Callable[[bytes | None, bytes | None], bool]
    """Whether a record's key and value are those of this one."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that was published and can be published again from what is stored, byte by byte."""

    event_id: str
    what: str
    """Names it by ids, for an operator."""
    topic: str
    partition: int
    key: bytes
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """What an operator did by a command; nothing in `detail` names a client."""

    tenant: str
    action: str
    detail: str = ""
    client: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, and when; `about` names an item, a dyad or a therapist by its id."""

    at: datetime
    actor: str
    action: str
    about: str
    detail: str
    database_role: str


def user_name() -> str:
    """Return who runs this command, as the machine knows them: `LOGNAME`, the user's name, or their number.

    In a container a user often has no name.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python before 3.13, and since
        return f"uid {os.getuid()}"


def operator() -> str:
    """Return who runs this command, for a log of who did what."""
    return f"operator {user_name()}"


@dataclass(frozen=True, slots=True)
class ErasureScope:
    """Whose data is erased: one client's, one therapist's, or all of a tenant's."""

    tenant: str
    client: str | None = None
    therapist: str | None = None
    keeps_settings: bool = False
    """Whether a whole tenant keeps what its operators and its system set, and the logs of who did what."""

    def of_records(self, clients: Sequence[str]) -> "list[ErasureScope]":
        """Return whose records are looked for while these clients are erased.

        Their tables have no index by client, so those of a whole tenant are found at once. What cannot be
        decoded may name its client alone, so those of a therapist are found client by client.
        """
        if self.client is None and self.therapist is None:
            return [self]
        return [ErasureScope(self.tenant, client, self.therapist) for client in clients]

    @property
    def subject(self) -> tuple[str, ...]:
        """The kind, and the ids of that kind."""
        if self.client is not None:
            return "client", self.tenant, self.client
        if self.therapist is not None:
            return "therapist", self.tenant, self.therapist
        return "tenant", self.tenant


@dataclass(slots=True)
class ErasedRows:
    """What was erased: rows by table, those of tables without any included, and the newest time in them."""

    counts: Counter[str] = field(default_factory=Counter)
    newest: datetime | None = None

    def note(self, table: str, count: int, times: Iterable[datetime | None] = ()) -> None:
        """Add rows of a table, with the times at which they were accepted, answered or published."""
        self.counts[table] += count
        self.newest = max((at for at in (self.newest, *times) if at is not None), default=None)


class Eraser(Protocol):
    """Erases from one service's tables, in the open transaction of whoever calls it."""

    async def clients(self, conn: Connection, scope: ErasureScope) -> set[str]:
        """Return the clients whose data belongs to the scope."""

    async def erase_clients(
        self, conn: Connection, scope: ErasureScope, clients: Sequence[str], erased: ErasedRows
    ) -> None:
        """Erase of these clients what belongs to the scope."""

    async def erase_rest(self, conn: Connection, scope: ErasureScope, erased: ErasedRows) -> None:
        """Erase what belongs to the scope and to no single client."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One service's contribution to the command line."""

    name: str
    tenant_options: Mapping[str, str] = field(default_factory=dict)
    """One sentence of help for each option, by name."""
    register: Callable[[typer.Typer], None] | None = None
    """Adds the service's own commands."""
    put_tenant: Callable[[Connection, Tenant], Awaitable[None]] | None = None
    """Stores a tenant's options, idempotently. Raises ValueError on an invalid option."""
    has_tenant: Callable[[Connection, str], Awaitable[bool]] | None = None
    """Returns whether a tenant was stored, or something of it was read."""
    trace: Callable[[Connection, str, str], Awaitable[list[TraceLine]]] | None = None
    """Returns the events of a piece of work, given its tenant and id, oldest first."""
    tenant_status: Callable[[Connection, str, datetime], Awaitable[list[StatusLine]]] | None = None
    """Returns how the service's work for a tenant stands at a moment."""
    audit: Callable[[Connection, str, str | None], Awaitable[list[AuditEntry]]] | None = None
    """Returns who did what of a tenant, or only what concerns one client, oldest first."""
    record_acts: Callable[[Connection, Sequence[OperatorAct]], Awaitable[None]] | None = None
    """Adds what operators did to the service's audit log."""
    check: Callable[[Connection], Awaitable[list[CheckResult]]] | None = None
    """Checks this service's tables for `rapport doctor`."""
    why_unreadable: Callable[[str, bytes | None, bytes | None], str | None] | None = None
    """Returns why the service cannot read a record of this topic, key and value, without quoting it; None if
    it can."""
    known_records: Callable[[Connection, LogEnd], Awaitable[list[KnownRecord]]] | None = None
    """Returns the records of a log, from an offset on, whose places the service stores."""
    forget_log_end: Callable[[Connection, LogEnd, str], Awaitable[list[str]]] | None = None
    """Moves what is stored of a lost end of a log to another cluster id; returns one line for each by id."""
    stored_events: Callable[[Connection, datetime], Awaitable[list[StoredEvent]]] | None = None
    """Returns the events that the service published since a time, as far as it stores them, oldest first."""
    rename_therapist: Callable[[Connection, str, str, str], Awaitable[dict[str, int]]] | None = None
    """Renames a therapist of a practice, from one reference to another, in the service's tables.

    Returns the number of rows changed, by table. Raises ValueError when it cannot be done; the message says
    why.
    """
    rename_client: Callable[[Connection, str, str, str], Awaitable[dict[str, int]]] | None = None
    """Renames a client of a practice likewise."""
    client_rows: Mapping[str, str] = field(default_factory=dict)
    """For each table that holds something on clients, the SQL condition that finds the rows about one:
    `%(client)s` of `%(practice)s`."""
    other_tables: frozenset[str] = frozenset()
    """The tables that hold nothing on a client; every table is in one of the two."""
    ratings_as_sent: Callable[[Connection, str], AsyncIterator[bytes]] | None = None
    """Yields every rating of a practice as the body that is sent."""
    sandboxes: Callable[[Connection], Awaitable[dict[str, datetime]]] | None = None
    """Returns the tenants whose data is made up, each with when it was added."""
    eraser: Callable[[bytes], Eraser] | None = None
    """Returns what erases from the service's tables; given the secret of erasures."""
    has_tables: bool = False
    """Whether the service keeps tables in a database schema that has its name."""
    openapi: Callable[[], dict[str, Any]] | None = None
    """Returns the service's published OpenAPI document; connects to nothing."""
