"""Whoever is erased under one reference is erased under every other that they had, and stays so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.cli.admin.erase import erase
from services.cli.admin.export_client import export_client
from services.runtime.process.cli_plugin import ErasureScope
from tests.support.detector.batch_driver import record_of
from tests.support.detector_and_notifier import Flow
from tests.support.erasure import SECRET
from tests.support.renamed_clients import COURSE, GOOD, NEW, OLD, WAYS, rename, renaming_flow, session
from tests.support.service_stack import settings_for


@pytest.fixture(params=WAYS)
async def flow(request: pytest.FixtureRequest, migrated_url: str, tmp_path: Path) -> AsyncIterator[Flow]:
    async with renaming_flow(request.param, migrated_url, tmp_path) as ready:
        yield ready


@pytest.mark.parametrize("named", [OLD, NEW])
async def test_an_erasure_by_either_reference_takes_everything_now_and_on_every_replay(
    flow: Flow, named: str
) -> None:
    records = [record_of(session(week, marks), place) for place, (week, marks) in enumerate(COURSE)]
    records.append(record_of(session(-6, GOOD, NEW), len(COURSE)))
    outgoing = await flow.detector.feed(records[:-1])
    await flow.pass_on(outgoing)
    await rename(flow)
    await flow.detector.feed(records[-1:])
    assert (await export_client(settings_for(flow.url), "north", named))["detector.dyad"]
    await erase(settings_for(flow.url), SECRET, ErasureScope("north", client=named), requested_by="a test")
    assert await flow.mentions(OLD) | await flow.mentions(NEW) == set()
    assert await flow.detector.feed(records) == []
    await flow.pass_on(outgoing)
    assert await flow.mentions(OLD) | await flow.mentions(NEW) == set()
    assert (await flow.detector.rows("SELECT count(*) FROM detector.erased"))[0][0] == len(records)


async def test_who_was_erased_before_getting_another_reference_stays_erased_until_then(flow: Flow) -> None:
    first = record_of(session(-5, GOOD, id="before"), 0)
    published = await flow.detector.feed([first])
    await flow.pass_on(published)
    await erase(settings_for(flow.url), SECRET, ErasureScope("north", client=OLD), requested_by="a test")
    ((until,),) = await flow.detector.rows("SELECT max(erased_at) FROM detector.erasure")
    await flow.detector.rate(session(0, GOOD, id="after"), accepted_at=until.replace(year=until.year + 1))
    await rename(flow)
    await flow.detector.feed([first])
    await flow.pass_on(published)
    assert await flow.detector.rows("SELECT rating_id FROM detector.rating") == [("after",)]
    assert await flow.notifier.rows("SELECT FROM notifier.assessed_session WHERE rating_id = 'before'") == []


async def test_an_erased_reference_is_given_to_nobody(flow: Flow) -> None:
    await flow.rate(session(0, GOOD))
    await erase(settings_for(flow.url), SECRET, ErasureScope("north", client=NEW), requested_by="a test")
    with pytest.raises(ValueError, match=f"{NEW} was erased"):
        await rename(flow)


async def test_a_renaming_that_is_read_again_after_an_erasure_brings_no_reference_back(flow: Flow) -> None:
    await flow.rate(session(0, GOOD))
    before = len(flow.detector.outgoing)
    await rename(flow)
    await erase(settings_for(flow.url), SECRET, ErasureScope("north", client=NEW), requested_by="a test")
    await flow.pass_on(flow.detector.outgoing[before:])
    assert await flow.mentions(OLD) | await flow.mentions(NEW) == set()
