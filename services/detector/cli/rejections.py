"""The command `rapport rejected replay`."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from services.detector.cli.database import run_with_database
from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.detector.storage.rejections import ReplayableRejection
    from services.runtime.postgres.connect import Connection

_REPLAY_HELP = """
Publish rejected records again, once the cause is removed.

The bytes and keys are those of the first time. The detector reads the
records as new deliveries: each is assessed, or rejected again. The list of
rejections keeps the old entries.

Example:

  rapport rejected replay --practice north --reason unknown-instrument
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    subcommands(app, "rejected", "Records that could not be processed.").command(
        name="replay", help=_REPLAY_HELP
    )(replay)


def replay(
    practice: Annotated[str | None, typer.Option(help="Only records of this practice.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only records rejected for this reason.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Greatest number of records; the oldest come first.")
    ] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; only count.")] = False,
) -> None:
    """Publish rejected records again, with the same bytes and keys."""
    from services.detector.storage.rejections import read_rejected

    async def read(conn: "Connection") -> "Sequence[ReplayableRejection]":
        return await read_rejected(conn, tenant=practice, reason=reason, limit=limit)

    rejected = run_with_database(read)
    if rejected and not dry_run:
        asyncio.run(_publish(rejected))
    verb = "would be published again" if dry_run else "published again"
    for why, count in sorted(Counter(record.reason for record in rejected).items()):
        typer.echo(f"{count} {verb}: {why}")
    if not rejected:
        typer.echo("There is nothing to publish again.")


async def _publish(rejected: "Sequence[ReplayableRejection]") -> None:
    from services.runtime.kafka.producer import Producer
    from services.runtime.process.settings import KafkaSettings

    producer = Producer(KafkaSettings())
    await producer.start()
    try:
        await producer.send_all([record.outgoing for record in rejected])
    finally:
        await producer.stop()
