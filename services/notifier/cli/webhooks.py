"""Defines `rapport webhooks`: tries a practice's receivers, and sends again what they were sent."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from services.notifier.cli.deliveries import moment, nothing_found
from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from datetime import datetime

    from services.notifier.channels.channel import SendResult

_TEST_HELP = """
Send a signed sample to each webhook of a practice. Its type is `webhook.test` and it is about no episode.

It is sent once, from where this command runs, with the settings NOTIFIER_… of its environment; run it where
the notifier runs. Exit code 1 means that a receiver did not take it; what it answered is shown.

Example:

  rapport webhooks test --practice north
"""
_REPLAY_HELP = """
Send again what a practice's webhooks were sent, for a receiver that lost it.

Each call has the `webhook-id` and the body of the first time, so that a receiver can drop what it still has,
and a signature with the present time. It goes to the address that the directory has now. What had failed is
not among them: `rapport deliveries retry --failed`. When a receiver does not answer, the command ends and
says from when on to begin again.

Example:

  rapport webhooks replay --practice north --since 2026-11-28T20:00+01:00 --dry-run

  rapport webhooks replay --practice north --since 2026-11-28T20:00+01:00
"""
_Practice = Annotated[str, typer.Option(help="The practice's id.")]
_Therapist = Annotated[str | None, typer.Option(help="Only this therapist's webhook.")]


def register(app: typer.Typer) -> None:
    """Add the commands on webhooks."""
    webhooks = subcommands(app, "webhooks", "Try webhooks, and send again what they were sent.")

    @webhooks.command(help=_TEST_HELP)
    def test(practice: _Practice, therapist: _Therapist = None) -> None:
        raise typer.Exit(asyncio.run(_test(practice, therapist)))

    @webhooks.command(help=_REPLAY_HELP)
    def replay(
        practice: _Practice,
        since: Annotated[str, typer.Option(help="Accepted since this date and time, with its zone.")],
        therapist: _Therapist = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; only count.")] = False,
    ) -> None:
        raise typer.Exit(asyncio.run(_replay(practice, moment(since), therapist, keep=not dry_run)))


async def _test(practice: str, therapist: str | None) -> int:
    from services.notifier.channels.webhook import Webhook
    from services.notifier.deliveries.webhook_targets import send_sample, targets
    from services.notifier.settings import WebhookSettings
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.process.clock import SystemClock
    from services.runtime.process.settings import DatabaseSettings

    async with await connect_for_all_practices(DatabaseSettings(), "rapport-webhooks") as conn:
        found = await targets(conn, practice, therapist)
    if not found:
        whose = f"therapist {therapist} of {practice}" if therapist else f"practice {practice}"
        typer.secho(f"No webhook is stored for {whose}.", err=True, fg="red")
        return 1
    webhook, failed = Webhook(WebhookSettings()), 0
    for target in found:
        result = await send_sample(webhook, target, SystemClock().now())
        failed += not _is_sent(result)
        # The rest of an address may hold a secret.
        parts = urlsplit(target.contact.url)
        typer.echo(
            f"{parts.scheme}://{parts.netloc} ({', '.join(target.therapists)}): {_words(result)}",
            err=not _is_sent(result),
        )
    return 1 if failed else 0


async def _replay(practice: str, since: "datetime", therapist: str | None, *, keep: bool) -> int:
    from services.notifier.channels.channel import WorthRetrying
    from services.notifier.channels.webhook import Webhook
    from services.notifier.deliveries.webhook_targets import send_again, sent_since
    from services.notifier.settings import WebhookSettings
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.process.clock import SystemClock
    from services.runtime.process.settings import DatabaseSettings

    async with await connect_for_all_practices(DatabaseSettings(), "rapport-webhooks") as conn:
        await conn.set_autocommit(True)
        sent = await sent_since(conn, practice, since, therapist)
        if not sent:
            return await nothing_found(conn, practice, "Nothing was sent since then.")
        if not keep:
            typer.echo(f"{len(sent)} would be sent again.")
            return 0
        counts: Counter[str] = Counter()
        away_since = None
        async for one, result in send_again(conn, Webhook(WebhookSettings()), practice, sent, SystemClock()):
            counts[_words(result)] += 1
            away_since = one.sent_at if isinstance(result, WorthRetrying) else None
    for words, number in counts.items():
        typer.echo(f"{number}: {words}")
    if away_since is not None:
        typer.secho(
            f"The receiver does not take them now, and {len(sent) - sum(counts.values())} were not tried."
            f" Begin again with --since {away_since.isoformat()}",
            err=True,
            fg="red",
        )
    return 0 if counts[_ACCEPTED] == len(sent) else 1


_ACCEPTED = "accepted"


def _is_sent(result: "SendResult") -> bool:
    from services.notifier.channels.channel import Sent

    return isinstance(result, Sent)


def _words(result: "SendResult") -> str:
    from services.notifier.channels.channel import Sent

    return _ACCEPTED if isinstance(result, Sent) else f"not accepted ({result.reason.value})"
