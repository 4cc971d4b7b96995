"""`rapport rejected`: lists, shows and publishes again what the services could not process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from services.runtime.kafka.record import Outgoing
    from services.runtime.outbox.rejected_records import ReasonCount, RejectedRecords, StoredRejection
    from services.runtime.postgres.connect import Connection

Found = TypeVar("Found")
rejected = typer.Typer(no_args_is_help=True, help="Records that could not be processed, of every service.")

PROGRAM_FAULTS = ("undecodable", "unprocessable")
"""Reasons that only another version of Rapport removes; many of them in a row stop a consumer."""
PUBLISH_DEADLINE_S = 4.0
"""Below the limit after which PostgreSQL ends an idle transaction: the rows are locked meanwhile."""

_Practice = Annotated[str | None, typer.Option(help="Only records of this practice.")]
_Reason = Annotated[str | None, typer.Option(help="Only records rejected for this reason.")]
_Service = Annotated[str | None, typer.Option(help="Only this service: detector or notifier.")]

_Topic = Annotated[str, typer.Option("--topic", help="The topic that the halt names.")]
_Partition = Annotated[int, typer.Option("--partition", min=0, help="The partition that the halt names.")]
_From = Annotated[int, typer.Option("--from", min=0, help="The first offset.")]
_To = Annotated[int, typer.Option("--to", min=0, help="The last offset.")]


@rejected.command(name="list")
def list_(practice: _Practice = None, reason: _Reason = None, service: _Service = None) -> None:
    """Count rejected records by service and reason: those that wait, and those published again.

    Example:

      rapport rejected list --practice north
    """
    from rich.console import Console

    from services.runtime.outbox.rejected_records import RejectionFilter
    from services.runtime.process.plain_table import plain_table

    which = RejectionFilter(practice, reason)

    async def count(conn: "Connection", records: "RejectedRecords") -> "list[ReasonCount]":
        return await records.count(conn, which)

    found = _in_each(service, count)
    table = plain_table("Rejected records")
    for column in ("service", "reason", "waiting", "published again", "oldest waiting (UTC)"):
        table.add_column(column, justify="right" if column in {"waiting", "published again"} else "left")
    for name, counts in found.items():
        for one in counts:
            oldest = f"{one.oldest:%Y-%m-%d %H:%M}" if one.oldest else ""
            table.add_row(name, one.reason, str(one.waiting), str(one.replayed), oldest)
    if table.row_count:
        Console().print(table)
    elif practice or reason or service:
        typer.echo("No such record was rejected; `rapport rejected list` without options counts all.")
    else:
        typer.echo("No record was rejected.")


@rejected.command()
def show(
    record: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, or the id of a rating or episode.")],
    practice: _Practice = None,
    service: _Service = None,
    value: Annotated[
        bool, typer.Option("--value", help="Print the record's bytes too; they hold a client's marks.")
    ] = False,
) -> None:
    """Show why a record was rejected, when, and whether it was published again. Exit code 1 if none is found.

    Examples:

      rapport rejected show alliance.session-rated.v1/3/1207

      rapport rejected show r-17 --practice north
    """

    async def find(conn: "Connection", records: "RejectedRecords") -> "list[StoredRejection]":
        topic, *place = record.rsplit("/", 2)
        if len(place) == 2 and all(part.isdecimal() for part in place):
            return await records.at(conn, topic, int(place[0]), int(place[1]))
        return await records.of_subject(conn, practice, record)

    found = _in_each(service, find)
    for name, records in found.items():
        for one in records:
            typer.echo(f"{name}: {one.topic}/{one.partition}/{one.offset} (cluster {one.cluster_id})")
            typer.echo(f"  rejected at {one.rejected_at:%Y-%m-%d %H:%M:%S} UTC: {one.reason}")
            typer.echo(f"  detail: {one.detail}")
            typer.echo(f"  practice: {one.tenant or 'unknown'}; id: {one.subject_id or 'unknown'}")
            again = "no" if one.replayed_at is None else f"{one.replayed_at:%Y-%m-%d %H:%M:%S} UTC"
            typer.echo(f"  published again: {again}")
            if value:
                typer.echo((one.value or b"").decode(errors="backslashreplace"))
    if not any(found.values()):
        typer.echo("No such record was rejected.")
        raise typer.Exit(1)


@rejected.command()
def peek(
    topic: _Topic,
    partition: _Partition,
    first: _From,
    last: _To,
    value: Annotated[
        bool, typer.Option("--value", help="Print the records' bytes too; they may hold a client's marks.")
    ] = False,
) -> None:
    """Show records of the log, and whether the services that read this topic can read them; change nothing.

    Example:

      rapport rejected peek --topic alliance.session-rated.v1 --partition 3 --from 1200 --to 1210
    """
    from services.cli.admin.set_aside import Places
    from services.cli.admin.set_aside import peek as find

    places = Places(_known(topic), partition, *_in_order(first, last))

    async def show_all() -> int:
        from services.cli.endpoints import find_endpoints

        count = 0
        async for one in find(find_endpoints(), places):
            record, count = one.record, count + 1
            at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
            size = "no value" if record.value is None else f"{len(record.value)} bytes"
            typer.echo(f"{topic}/{partition}/{record.offset}, {at:%Y-%m-%d %H:%M:%S} UTC, {size}")
            for service, why in one.unreadable.items():
                typer.echo(f"  {service}: {why or 'can be read'}")
            if value:
                typer.echo((record.value or b"").decode(errors="backslashreplace"))
        return count

    if not asyncio.run(show_all()):
        typer.echo("The log holds no record there.")
        raise typer.Exit(1)


@rejected.command(name="set-aside")
def set_aside(topic: _Topic, partition: _Partition, first: _From, last: _To) -> None:
    """Let a consumer that the fuse halted go on: what is bad at these offsets is rejected, however much.

    It needs no restart. A service that is halted there reads on within seconds. It processes the good
    records, and keeps each bad one with its bytes and its reason: `rapport rejected list` and `show` show
    them, and `replay` publishes them again. Bad records behind these offsets count for the fuse.

    Example:

      rapport rejected set-aside --topic alliance.session-rated.v1 --partition 3 --from 1200 --to 1210
    """
    from services.cli.admin.set_aside import NothingToSetAside, Places
    from services.cli.admin.set_aside import set_aside as let_set_aside
    from services.cli.endpoints import find_endpoints

    places = Places(_known(topic), partition, *_in_order(first, last))
    try:
        services = asyncio.run(let_set_aside(find_endpoints(), places))
    except NothingToSetAside as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    for service in services:
        typer.echo(f"{service} goes on in {topic}/{partition} and rejects what is bad up to offset {last}.")


@rejected.command()
def replay(
    practice: _Practice = None,
    reason: _Reason = None,
    service: _Service = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Greatest number of records of each service; the oldest come first.")
    ] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; only count.")] = False,
) -> None:
    """Publish rejected records again, once the cause is removed: the same bytes, keys and partitions.

    The service reads them as new deliveries: each is processed, or rejected again under its new position. A
    record is published again once; repeating the command goes on with those that still wait. Records that
    were undecodable or unprocessable are published only when --reason names them: only another version of
    Rapport can read them, and eleven of them in a row stop a consumer.

    Example:

      rapport rejected replay --practice north --reason unknown-instrument
    """
    from services.runtime.outbox.rejected_records import RejectionFilter

    which = RejectionFilter(practice, reason, PROGRAM_FAULTS)

    async def count(conn: "Connection", records: "RejectedRecords") -> dict[str, int]:
        return await records.count_replayable(conn, which)

    async def publish(conn: "Connection", records: "RejectedRecords") -> dict[str, int]:
        async with _publishing() as send:
            return await records.replay(conn, which, send, limit=limit)

    done = _in_each(service, count if dry_run else publish)
    verb = "would be published again" if dry_run else "published again"
    for name, counts in done.items():
        for why, number in counts.items():
            typer.echo(f"{name}: {number} {verb}: {why}")
    if not any(done.values()):
        typer.echo("There is nothing to publish again.")


def _in_order(first: int, last: int) -> tuple[int, int]:
    if last < first:
        raise typer.BadParameter(f"expected {first} or more, as --from is {first}", param_hint="--to")
    return first, last


def _known(topic: str) -> str:
    from schemas.topics import ALL

    names = [one.name for one in ALL]
    if topic not in names:
        raise typer.BadParameter(f"expected one of {', '.join(names)}", param_hint="--topic")
    return topic


def _in_each(
    service: str | None, work: "Callable[[Connection, RejectedRecords], Awaitable[Found]]"
) -> dict[str, Found]:
    from services.cli import plugins
    from services.cli.endpoints import find_endpoints
    from services.runtime.outbox.rejected_records import RejectedRecords
    from services.runtime.postgres.connect import connect_for_all_practices

    names: Sequence[str] = plugins.services_with_tables()
    if service is not None and service not in names:
        raise typer.BadParameter(f"expected {' or '.join(names)}", param_hint="--service")

    async def run() -> dict[str, Found]:
        connection = await connect_for_all_practices(find_endpoints().database, "rapport-rejected")
        found = {}
        async with connection:
            for name in names if service is None else [service]:
                found[name] = await work(connection, RejectedRecords(name))
        return found

    return asyncio.run(run())


@asynccontextmanager
async def _publishing() -> "AsyncIterator[Callable[[Sequence[Outgoing]], Awaitable[object]]]":
    from services.cli.endpoints import find_endpoints
    from services.runtime.kafka.producer import Producer

    producer = Producer(find_endpoints().kafka)
    await producer.start()
    try:
        yield partial(producer.send_all, deadline_s=PUBLISH_DEADLINE_S)
    finally:
        await producer.stop()


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rejected, name="rejected")
