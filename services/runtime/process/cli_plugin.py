"""What a service lends to the command line, found through the entry points `rapport.plugins`.

The command line imports no service; a service that is installed adds its own commands and answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import typer
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

Connection = AsyncConnection[TupleRow]


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who sends data, with the options (name to value, as text) that the services declare."""

    id: str
    added_at: datetime
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One thing that happened to a piece of work, and why."""

    at: datetime | None
    what: str
    why: str


class Verdict(StrEnum):
    """How a check came out."""

    GOOD = "good"
    NOTICE = "notice"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was checked, how it came out, what was found, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    todo: str = ""


def subcommands(app: typer.Typer, name: str, summary: str) -> typer.Typer:
    """Return the group of commands of this name, which several plugins may add to; makes it if need be."""
    for group in app.registered_groups:
        if group.name == name and group.typer_instance is not None:
            return group.typer_instance
    made = typer.Typer(no_args_is_help=True, help=summary)
    app.add_typer(made, name=name)
    return made


@dataclass(frozen=True, slots=True)
class Plugin:
    """One service's part of the command line."""

    name: str
    tenant_options: Mapping[str, str] = field(default_factory=dict)
    """Option name to one sentence of help."""
    register: Callable[[typer.Typer], None] | None = None
    """Adds the service's own commands."""
    put_tenant: Callable[[Connection, Tenant], Awaitable[None]] | None = None
    """Stores a tenant's options; the same call again changes nothing. Raises ValueError on a bad option."""
    trace: Callable[[Connection, str, str], Awaitable[list[TraceLine]]] | None = None
    """What happened to (tenant, piece of work), oldest first."""
    check: Callable[[Connection], Awaitable[list[CheckResult]]] | None = None
    """What `doctor` asks of this service's tables."""
    has_tables: bool = False
    """Whether the service keeps tables in a database schema that has its name."""
    openapi: Callable[[], dict[str, Any]] | None = None
    """Returns the service's published OpenAPI document; connects to nothing."""
