"""Defines `rapport deliveries`, which has failed messages tried again."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from services.notifier.deliveries.failed import FailedFilter
    from services.runtime.postgres.connect import Connection

_RETRY_HELP = """
Have messages that were given up tried again, once the cause is removed; running notifiers need no restart.

Each is due at once, within the therapist's quiet hours and mail timing, with all its attempts before it.
What was answered, closed or told anew since is not sent, nor is a sign-in link that somebody asked for: it
has expired.

Examples:

  rapport deliveries retry --failed --since 2026-11-28T20:00+01:00 --dry-run

  rapport deliveries retry --failed --since 2026-11-28T20:00+01:00 --practice north
"""


_IS_KNOWN = """
SELECT 1 FROM notifier.practice WHERE practice_id = %(practice)s
UNION ALL SELECT 1 FROM notifier.therapist WHERE practice_id = %(practice)s LIMIT 1
"""


def register(app: typer.Typer) -> None:
    """Add the commands on deliveries."""
    deliveries = subcommands(app, "deliveries", "Messages over mail and webhooks.")

    @deliveries.callback()
    def group() -> None:
        """Messages over mail and webhooks."""

    @deliveries.command(help=_RETRY_HELP)
    def retry(
        since: Annotated[str, typer.Option(help="Failed since this date and time, with its zone.")],
        failed: Annotated[
            bool, typer.Option("--failed", help="Failed messages; the others need nothing.")
        ] = False,
        practice: Annotated[str | None, typer.Option(help="Only of this practice.")] = None,
        reason: Annotated[str | None, typer.Option(help="Only those that failed for this reason.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; only count.")] = False,
    ) -> None:
        from services.notifier.deliveries.failed import FailedFilter

        if not failed:
            raise typer.BadParameter("expected: only failed messages need it", param_hint="--failed")
        which = FailedFilter(moment(since), practice, reason)
        counts = asyncio.run(_retry(which, keep=not dry_run))
        verb = "would be tried again" if dry_run else "are tried again"
        for (channel, why), number in counts.items():
            typer.echo(f"{channel}: {number} {verb}: {why}")
        if not counts:
            raise typer.Exit(asyncio.run(_no_message(practice)))


async def nothing_found(conn: "Connection", practice: str | None, words: str) -> int:
    """Say that nothing was found, and whether there is such a practice at all; return the exit code."""
    typer.echo(words)
    row = await (await conn.execute(_IS_KNOWN, {"practice": practice})).fetchone()
    if practice is None or row is not None:
        return 0
    typer.secho(f"There is no practice {practice}: `rapport practices list` shows all.", err=True, fg="red")
    return 1


async def _no_message(practice: str | None) -> int:
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.process.settings import DatabaseSettings

    async with await connect_for_all_practices(DatabaseSettings(), "rapport-deliveries") as conn:
        return await nothing_found(conn, practice, "No message failed since then.")


def moment(text: str) -> datetime:
    """Return a date and time that an option gives.

    Raises:
        typer.BadParameter: it is none, or has no zone.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter(
            "expected a date and time with its zone, such as 2026-11-20T00:00+01:00", param_hint="--since"
        )
    return at


async def _retry(which: "FailedFilter", *, keep: bool) -> dict[tuple[str, str], int]:
    from services.notifier.deliveries.failed import count_failed, retry_failed
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.process.settings import DatabaseSettings

    async with await connect_for_all_practices(DatabaseSettings(), "rapport-deliveries") as conn:
        counts = await count_failed(conn, which)
        if keep:
            counts = await retry_failed(conn, which, datetime.now(UTC))
        return counts
