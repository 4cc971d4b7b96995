"""The runbook of a halt by the fuse mends it: its commands are executed while the consumer is halted."""

import asyncio
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.topics import SESSION_RATED
from services.cli import plugins
from services.cli.__main__ import application
from services.runtime.process.cli_plugin import Plugin
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import SCHEMA, Sample

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbooks" / "ConsumerHalted.md"
TOPIC = SESSION_RATED.name
PATIENCE_S = 90


def commands(**values: str) -> list[list[str]]:
    """Return the commands of the runbook's section on the fuse, with these values in place of capitals."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("**Halted by the fuse.**")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    for name, value in values.items():
        block = re.sub(rf"\b{name}\b", value, block)
    return [line.split()[1:] for line in block.splitlines()]


async def rapport(*words: str, code: int = 0) -> str:
    """Run a command of `rapport` beside the consumer; return what it prints."""
    done = await asyncio.to_thread(CliRunner().invoke, application(), list(words))
    assert done.exit_code == code, done.output
    return done.output


def why_unreadable(_topic: str, _key: bytes | None, value: bytes | None) -> str | None:
    return "undecodable: no number" if value == b"bad" else None


@pytest.fixture
def halting(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """The service on a topic that the commands know, with the plugin and the addresses that they need."""
    sample.topic = TOPIC
    plugin = Plugin(name=SCHEMA, has_tables=True, why_unreadable=why_unreadable)
    monkeypatch.setattr(plugins, "installed", lambda: iter([plugin]))
    monkeypatch.setenv("DATABASE_URL", sample.database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", sample.bootstrap)
    monkeypatch.setenv("KAFKA_EMBEDDED", "true")
    return sample


async def test_the_commands_of_the_runbook_set_bad_records_aside_and_the_consumer_goes_on(
    halting: Sample,
) -> None:
    await halting.send([*["bad"] * 11, "1"])
    process = halting.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt", PATIENCE_S)
        place = re.search(
            r"`rapport rejected peek --topic (\S+) --partition (\d+) --from (\d+) --to (\d+)`",
            await rapport("halts", "list", code=1),
        )
        assert place is not None
        assert place.groups() == (TOPIC, "0", "0", "10")
        names = dict(zip(("TOPIC", "PARTITION", "FROM", "TO"), place.groups(), strict=True))
        peek, set_aside, halts, counted, shown, replay = commands(**names)

        peeked = await rapport(*peek)
        assert peeked.count(f"  {SCHEMA}: undecodable: no number\n") == 11
        assert f"  {SCHEMA}: can be read\n" in await rapport(*peek[:-1], "11")
        assert "has offset 11" in await rapport(*set_aside[:-1], "12", code=1)
        assert halting.effects() == []

        done = await rapport(*set_aside)
        assert done == f"{SCHEMA} goes on in {TOPIC}/0 and rejects what is bad up to offset 10.\n"
        await until(lambda: halting.effects() == ["1"], "the good record", PATIENCE_S)
        await until(lambda: process.health.healthy, "readiness", PATIENCE_S)

    assert await rapport(*halts) == "No partition is halted.\n"
    assert re.search(rf"{SCHEMA} +undecodable +11 +0 ", await rapport(*counted))
    assert "undecodable\n  detail: no number\n" in await rapport(*shown)
    assert await rapport(*replay) == f"{SCHEMA}: 11 would be published again: undecodable\n"
    assert "has halted no service" in await rapport(*set_aside, code=1)


async def test_a_place_that_the_log_does_not_hold_and_an_unknown_topic_are_said(halting: Sample) -> None:
    await halting.send(["1"], partition=3)
    places = ("--partition", "3", "--from", "900", "--to", "901")

    assert (
        await rapport("rejected", "peek", "--topic", TOPIC, *places, code=1)
        == "The log holds no record there.\n"
    )
    assert TOPIC in await rapport("rejected", "peek", "--topic", "another", *places, code=2)
