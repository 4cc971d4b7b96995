"""A login that cannot act for a practice is said in health and by `rapport doctor`, each with the cure."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.cli.admin.diagnose import check_database
from services.cli.endpoints import Endpoints
from services.cli.home import Home
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.tenant_guard import why_unbound
from services.runtime.process.cli_plugin import CheckResult, Verdict
from services.runtime.process.settings import DatabaseSettings
from tests.support.composed_roles import as_role, composed_server
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

GRANT = "GRANT detector_tenant TO detector WITH INHERIT FALSE, SET TRUE"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server with the roles of the composed stack, and the detector's tables."""
    with composed_server() as url:
        for service in ("detector", "notifier"):
            migrate(as_role(url, "operator"), service)
        yield url


def run(url: str, statement: str) -> None:
    """Run a statement as the superuser."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(statement.encode())


async def problem(url: str) -> str | None:
    """Return what is wrong with the login of the detector."""
    settings = DatabaseSettings.model_validate({"url": as_role(url, "detector")})
    async with await connect_for_all_practices(settings, "test") as conn:
        return await why_unbound(conn, "detector")


async def test_a_login_without_the_role_is_told_what_to_run_and_that_cures_it(server: str) -> None:
    at_first = await problem(server)
    run(server, "REVOKE detector_tenant FROM detector")
    without = await problem(server) or ""
    run(server, without.partition("run as a superuser ")[2])

    assert at_first is None
    assert without.endswith(f"is not granted to detector: run as a superuser {GRANT}")
    assert await problem(server) is None


def test_the_doctor_says_which_login_cannot_act_for_a_practice(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", server)

    def said() -> list[CheckResult]:
        async def collect() -> list[CheckResult]:
            return [one async for one in check_database(Endpoints(Home(tmp_path), None))]

        return [one for one in asyncio.run(collect()) if one.name.startswith("requests of")]

    at_first = said()
    run(server, "REVOKE detector_tenant FROM detector")
    (without,) = said()
    run(server, GRANT)

    assert at_first == []
    assert (without.name, without.verdict) == ("requests of detector", Verdict.BAD)
    assert "a service that connects as detector answers every request with 503" in without.found
    assert without.todo == f"run as a superuser {GRANT}"


async def test_a_service_whose_login_cannot_act_for_a_practice_is_not_ready_until_it_can(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.consumer.batch_consumer._RELAY_EVERY_S", 0.1)
    process = sample.consumer(serves_practices=True)
    try:
        async with process(ready=False):
            await until(lambda: "requests" in process.health.checks, "the look at the role")
            without = process.health.checks["requests"], process.health.can_answer
            run(sample.database_url, "CREATE ROLE sample_tenant NOLOGIN")
            await until(lambda: process.health.checks["requests"] == "good", "the next look")
    finally:
        run(sample.database_url, "DROP ROLE IF EXISTS sample_tenant")

    assert "the role sample_tenant, in which requests are answered, is missing" in without[0]
    assert without[1] is False
