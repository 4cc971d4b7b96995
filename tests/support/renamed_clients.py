"""A client who gets another reference, by an operator's command or by a practice's request."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from services.cli.admin.rename import rename_client
from services.detector.storage.client_names import ClientRenaming, rename_and_publish
from services.runtime.outbox.erasures import Erasures
from tests.support.detector.batch_driver import body
from tests.support.detector_and_notifier import Flow, both_services
from tests.support.erasure import SECRET
from tests.support.service_stack import settings_for

OLD, NEW = "client-1", "x-2204"
GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)
COURSE = [(-5, GOOD), (-4, GOOD), (-3, GOOD), (-2, LOW), (-1, LOW), (0, LOW)]
DELIVERIES = "SELECT episode_id, revision, channel FROM notifier.delivery ORDER BY 1, 2, 3"
WAYS = ("command", "request")


@asynccontextmanager
async def renaming_flow(way: str, url: str, folder: Path) -> AsyncIterator[Flow]:
    """Run both services, with a therapist in the directory and a secret for erasures."""
    async with both_services(url, folder) as ready:
        ready.way = way
        ready.detector.tools = replace(ready.detector.tools, erasures=Erasures("detector", SECRET))
        ready.notifier.components.pipeline.erasures = Erasures("notifier", SECRET)
        yield ready


async def rename(flow: Flow, old: str = OLD, new: str = NEW) -> None:
    """Rename as the command does, or as a practice's request does."""
    if flow.way == "command":
        await rename_client(settings_for(flow.url), SECRET, "north", old, new)
        return
    flow.detector.now += timedelta(seconds=1)
    renaming = ClientRenaming("north", old, new, "key 1234")
    await flow.pass_on(
        await flow.detector.transact(
            lambda tx: rename_and_publish(tx, renaming, flow.detector.tools.erasures)
        )
    )


def session(
    week: float, marks: Sequence[float] | None, client: str = OLD, **fields: object
) -> dict[str, object]:
    """Return a rating of a week's session."""
    return body(week, marks, client_id=client, therapist_id="t-1", **fields)


async def rate_until_told(flow: Flow) -> list[tuple[object, ...]]:
    """Rate until the therapist is told of an episode; return the deliveries."""
    for week, marks in COURSE[:4]:
        await flow.rate(session(week, marks))
    told = await flow.notifier.rows(DELIVERIES)
    assert told
    return told
