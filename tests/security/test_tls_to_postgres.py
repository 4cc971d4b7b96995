"""`verify-full` against a real server: only the right authority and name will do; passwords can change."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from services.runtime.postgres.connect import connect_for_all_practices, pool_for_all_practices
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.log import describe
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings
from tests.support.certificate_authority import CertificateAuthority
from tests.support.tls_postgres import FIRST_PASSWORD, TlsPostgres, tls_postgres

pytestmark = pytest.mark.tls_database


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """The authority of the server."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: CertificateAuthority) -> Iterator[TlsPostgres]:
    """A server whose certificate is for `localhost`."""
    certificate = authority.server_file()
    with tls_postgres(certificate) as running:
        yield running


@pytest.fixture
def settings(server: TlsPostgres, authority: CertificateAuthority, tmp_path: Path) -> DatabaseSettings:
    """Settings that lead to the server, with the password in a file."""
    server.set_password(FIRST_PASSWORD)
    (tmp_path / "password").write_text(f"{FIRST_PASSWORD}\n")
    return DatabaseSettings.model_validate(
        {
            "url": server.url(),
            "password_file": tmp_path / "password",
            "sslmode": "verify-full",
            "ssl_ca_file": authority.file,
        }
    )


async def test_the_right_authority_and_name_connect_over_tls(settings: DatabaseSettings) -> None:
    connection = await connect_for_all_practices(settings, "test")
    async with connection:
        row = await (
            await connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ).fetchone()

    assert row == (True, "TLSv1.3")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("authority", "has expired or is of another authority than that of DATABASE_SSL_CA_FILE"),
        ("host", "is for another host name than that of DATABASE_URL"),
        ("no TLS", "offers no TLS"),
    ],
)
async def test_what_is_not_safe_is_refused_and_said_without_the_address(
    settings: DatabaseSettings, tmp_path: Path, wrong: str, said: str
) -> None:
    changed: dict[str, object] = {"ssl_ca_file": CertificateAuthority(tmp_path).file}
    if wrong == "host":
        # The name resolves to the same machine; the certificate does not have it.
        port = settings.url.get_secret_value().rpartition(":")[2].partition("/")[0]
        changed = {"url": f"postgresql://detector@evil.example:{port}/postgres?hostaddr=127.0.0.1"}
    async with server_without_tls() as url:
        if wrong == "no TLS":
            changed = {"url": url}
        given = DatabaseSettings.model_validate({**settings.model_dump(), **changed})
        with pytest.raises(psycopg.OperationalError) as refused:
            await connect_for_all_practices(given, "test")

    assert said in describe(refused.value)
    assert "evil.example" not in describe(refused.value)
    # A certificate is renewed while the services wait: they try again.
    assert retry_reason(refused.value) is RetryReason.DATABASE


@asynccontextmanager
async def server_without_tls() -> AsyncIterator[str]:
    """Yield the address of a server that answers no to the question whether it speaks TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"postgresql://detector@localhost:{server.sockets[0].getsockname()[1]}/postgres"


def test_doctor_says_why_the_database_is_not_used(settings: DatabaseSettings, tmp_path: Path) -> None:
    nowhere = {f"RAPPORT_{name}_URL": "http://127.0.0.1:9" for name in ("INGEST", "RESULTS", "NOTIFIER")}
    environment = {
        **os.environ,
        **nowhere,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "DATABASE_URL": settings.url.get_secret_value(),
        "DATABASE_PASSWORD_FILE": str(settings.password_file),
        "DATABASE_SSLMODE": "verify-full",
        "DATABASE_SSL_CA_FILE": str(CertificateAuthority(tmp_path).file),
    }
    command = [sys.executable, "-m", "services.cli", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "is of another authority than that of DATABASE_SSL_CA_FILE" in " ".join(done.stdout.split())


async def test_a_pool_takes_up_a_changed_password_while_it_is_used(
    settings: DatabaseSettings, server: TlsPostgres
) -> None:
    """Passwords change one after the other while eight tasks borrow connections; each lives for a moment."""
    assert settings.password_file is not None
    pool = pool_for_all_practices(settings, "test", connections=8)
    await pool.open(wait=True)
    done: asyncio.Queue[None] = asyncio.Queue()
    refused: list[Exception] = []
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            try:
                async with pool.connection() as connection:
                    await connection.execute("SELECT 1")
                    done.put_nowait(None)
                    # Every borrowed connection is replaced: the load falls on new ones.
                    await connection.close()
            except (psycopg.OperationalError, PoolTimeout) as error:
                refused.append(error)

    async def at_least(number: int) -> None:
        async with asyncio.timeout(60):
            for _ in range(number):
                await done.get()

    tasks = [asyncio.create_task(work()) for _ in range(8)]
    try:
        for number in range(3):
            await at_least(20)
            password = f"password {number}"
            await asyncio.to_thread(server.set_password, password)
            changed = settings.password_file.with_suffix(".new")
            changed.write_text(password)
            changed.replace(settings.password_file)
        await at_least(done.qsize() + 100)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await pool.close()

    assert refused == []


async def test_a_connection_that_begins_between_the_two_steps_is_tried_again(
    settings: DatabaseSettings, server: TlsPostgres
) -> None:
    server.set_password("not in the file yet")
    with pytest.raises(psycopg.OperationalError) as refused:
        await connect_for_all_practices(settings, "test")

    assert retry_reason(refused.value) is RetryReason.DATABASE
