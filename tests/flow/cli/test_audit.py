"""Who read, exported, erased or changed what is logged, and shown by one command; no service changes it."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from services.cli.__main__ import application
from services.cli.admin.audit import read_audit
from services.cli.admin.erase import erase
from services.cli.plugins import services_with_tables
from services.runtime.postgres.migrations import migrate
from services.runtime.process.cli_plugin import AuditEntry, ErasureScope
from tests.flow.detector.test_results import results_client
from tests.support.detector.batch_driver import body, detector_driver
from tests.support.erasure import SECRET, SeededClient, database
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.postgres import fresh_database

ROLES = Path(__file__).resolve().parents[3] / "deploy/compose/postgres/roles.sh"


async def trail(url: str, client: str | None = None) -> list[AuditEntry]:
    return await read_audit(database(url), "north", client)


def actions(found: list[AuditEntry]) -> set[tuple[str, str]]:
    return {(one.actor.partition(" ")[0], one.action) for one in found}


@pytest.fixture
async def notifier(migrated_url: str, tmp_path: Path) -> AsyncIterator[NotifierDriver]:
    """A detector and a notifier that know two clients of the practice `north`."""
    async with detector_driver(migrated_url) as detector, running_notifier(migrated_url, tmp_path) as ready:
        await detector.practice()
        for client in (SeededClient("one"), SeededClient("two", "t-2")):
            await ready.add_therapist(therapist_id=client.therapist_id)
            await client.fill(detector, ready)
        yield ready


async def test_what_a_key_reads_about_a_client_is_logged_and_nothing_else(
    notifier: NotifierDriver, tmp_path: Path
) -> None:
    before = await trail(notifier.url)
    async with results_client(notifier.url, tmp_path, "north") as results:
        for path in ("ratings/nothing", "balance", "rejections", "ratings/rating-one-1"):
            assert (await results.get(f"/v1/{path}")).status_code == 200
        page = (await results.get("/v1/episodes")).json()
        assert (await results.get(f"/v1/episodes?after={page['next']}")).json()["episodes"] == []
    read = [one for one in await trail(notifier.url, "client-one") if one not in before]
    assert {one.action for one in read} == {"episodes-read", "rating-read"}
    assert len(read) == 2
    assert all(re.fullmatch(r"key [0-9a-f]{8}", one.actor) for one in read)
    assert len(await trail(notifier.url)) - len(before) == 3


async def test_what_cannot_be_logged_is_not_answered(notifier: NotifierDriver, tmp_path: Path) -> None:
    async with results_client(notifier.url, tmp_path, "north") as results:
        assert (await results.get("/v1/ratings/rating-one-1")).status_code == 200
        with psycopg.connect(notifier.url, autocommit=True) as conn:
            conn.execute("ALTER TABLE detector.audit RENAME TO away")
        with pytest.raises(psycopg.errors.UndefinedTable):
            await results.get("/v1/ratings/rating-one-1")


async def test_the_directory_and_decisions_are_logged_with_the_key(notifier: NotifierDriver) -> None:
    headers = {"Authorization": f"Bearer {notifier.key}"}
    transport = httpx.ASGITransport(notifier.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        for address in ("new@north.example", "new@north.example"):
            await client.put("/v1/therapists/t-3", json={"address": address})
        await client.put("/v1/therapists/t-3", json={"address": "newer@north.example", "quiet": True})
        await client.delete("/v1/therapists/t-3")
        assert (await client.get("/v1/notifications")).status_code == 200
    found = await trail(notifier.url)
    changes = [(one.action, one.detail) for one in found if one.about == "therapist t-3"]
    assert changes == [
        ("therapist-stored", "new"),
        ("therapist-stored", "address, quiet"),
        ("access-ended", ""),
        ("therapist-removed", ""),
        ("access-ended", ""),
    ]
    assert ("key", "decisions-read") in actions(await trail(notifier.url, "client-two"))
    assert "north.example" not in str(found)


async def test_an_erasure_is_in_the_log_and_takes_the_client_out_of_it(notifier: NotifierDriver) -> None:
    before = await trail(notifier.url)
    assert len(await trail(notifier.url, "client-one")) == 2
    await erase(database(notifier.url), SECRET, ErasureScope("north", "client-one"), requested_by="a test")
    after = await trail(notifier.url)
    assert await trail(notifier.url, "client-one") == []
    assert [(one.actor, one.about) for one in after if one.action == "erased"] == [
        ("operator a test", "client")
    ]
    assert len(after) == len(before) + 1, "who read something is known, and not any more about whom"


def test_what_operators_do_is_logged(migrated_url: str, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": migrated_url,
        "RAPPORT_CREDENTIALS_FILE": str(tmp_path / "keys.json"),
        "LOGNAME": "somebody",
    }

    def run(*words: str) -> Result:
        done = CliRunner().invoke(application(), words, env=environment)
        assert done.exit_code == 0, done.output
        return done

    async def rate() -> None:
        async with detector_driver(migrated_url) as ready:
            await ready.rate(body(0, (4.5, 4.5, 4.5)))

    run("practices", "add", "north", "--set", "mode=observe")
    asyncio.run(rate())
    (key_id,) = re.findall(r"\b[0-9a-f]{8}\b", run("practices", "list").stdout)
    run("practices", "set", "north", "--set", "mode=live")
    run("practices", "rotate", key_id)
    run("practices", "revoke", key_id)
    run("practices", "remove", "north")
    run("export", "--practice", "north", "--client", "client-1", "--out", str(tmp_path / "one.json"))
    run("export", "--practice", "north", "--out", str(tmp_path / "all.ndjson"))
    run("labels", "export", "--practice", "north", "--out", str(tmp_path / "labels.csv"))
    found = asyncio.run(trail(migrated_url))
    assert [(one.action, one.detail) for one in found if "key" not in one.action] == [
        ("practice-stored", "mode=observe"),
        ("practice-stored", "mode=live"),
        ("client-exported", ""),
        ("ratings-exported", ""),
        ("answers-exported", ""),
    ]
    assert [one.action for one in found if "key" in one.action] == [
        "key-added",
        "key-rotated",
        "key-revoked",
        "key-revoked",
    ]
    assert {one.actor for one in found} == {"operator somebody"}
    shown = run("audit", "--practice", "north", "--client", "client-1").stdout
    assert ("client-exported" in shown, "ratings-exported" in shown) == (True, False)
    assert "key-revoked" not in run("audit", "--practice", "north", "--action", "key-added").stdout


def test_a_key_is_taken_away_while_the_database_is_away_and_the_gap_is_said(tmp_path: Path) -> None:
    from services.runtime.http.key_file import add_key, read_keys

    keys = tmp_path / "keys.json"
    key = add_key(keys, grants=["north"], scopes=["ratings:write"])
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "RAPPORT_CREDENTIALS_FILE": str(keys),
    }
    done = CliRunner().invoke(application(), ["practices", "revoke", key.key_id], env=environment)
    assert (done.exit_code, read_keys(keys)) == (1, ())
    assert "not in the audit log" in done.output


@pytest.mark.parametrize("command", ["practices", "sandboxes"])
def test_a_new_key_is_shown_also_when_it_cannot_be_logged(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from services.runtime.http.key_file import read_keys

    async def fail(*_: object) -> None:
        raise psycopg.OperationalError("the server ended")

    monkeypatch.setattr("services.cli.admin.audit.store_acts", fail)
    keys = tmp_path / "keys.json"
    environment = {"DATABASE_URL": migrated_url, "RAPPORT_CREDENTIALS_FILE": str(keys)}
    done = CliRunner().invoke(application(), [command, "add", "north"], env=environment)
    (stored,) = read_keys(keys)
    (shown,) = re.findall(r"^  (\S+)$", done.stdout, re.MULTILINE)
    assert (done.exit_code, hashlib.sha256(shown.encode()).hexdigest()) == (1, stored.sha256)
    assert "not in the audit log" in done.stderr


@pytest.fixture
def with_roles(postgres_url: str) -> Iterator[tuple[str, str]]:
    """A database with the roles of `roles.sh` under other names, and their suffix."""
    suffix = uuid4().hex[:8]
    (statements,) = re.findall(r"<<'SQL'\n(.*)\nSQL", ROLES.read_text(), re.DOTALL)
    statements = re.sub(r"LOGIN PASSWORD :'\w+'", "LOGIN", statements)
    named = re.compile(r"\b(ROLE|TO|AUTHORIZATION) (\w+)(, (\w+))?(?=[ ;\n])")
    statements = named.sub(
        lambda found: f"{found[1]} {found[2]}_{suffix}" + (f", {found[4]}_{suffix}" if found[4] else ""),
        statements,
    )
    roles = [f"{name}_{suffix}" for name in ("operator", "detector", "notifier")]
    with fresh_database(postgres_url) as url:
        name = urlsplit(url).path.lstrip("/")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(statements.replace("DATABASE rapport", f'DATABASE "{name}"').encode())
            try:
                for service in services_with_tables():
                    migrate(f"{url}&options={quote(f'-c role={roles[0]}')}", service)
                yield url, suffix
            finally:
                for role in roles:
                    admin.execute(f"DROP OWNED BY {role} CASCADE".encode())
                    admin.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("service", services_with_tables())
def test_a_service_adds_to_its_log_and_can_neither_change_nor_delete_in_it(
    with_roles: tuple[str, str], service: str
) -> None:
    url, suffix = with_roles
    add = f"INSERT INTO {service}.audit (at, practice_id, actor, action, detail)"
    values = " VALUES (now() - make_interval(days => %s), 'north', 'key', 'read', '')"
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"SET ROLE {service}_{suffix}".encode())
        for days in (0, 364, 366, 800):
            conn.execute(f"{add}{values}".encode(), (days,))
        for change in (
            f"UPDATE {service}.audit SET actor = 'another'",
            f"DELETE FROM {service}.audit",
            f"TRUNCATE {service}.audit",
            f"ALTER TABLE {service}.audit DISABLE TRIGGER ALL",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(change.encode())
        assert conn.execute(f"SELECT count(*) FROM {service}.audit".encode()).fetchone() == (4,)
        # What is older than its time goes, a slice at a time, and never what is of the last year.
        delete = f"SELECT {service}.delete_old_audit(now() - make_interval(days => %s), 1)".encode()
        assert [conn.execute(delete, (days,)).fetchone() for days in (700, 700, 0, 0)] == [
            (1,), (0,), (1,), (0,),
        ]  # fmt: skip
