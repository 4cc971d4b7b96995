"""Opens PostgreSQL connections with limits on waiting and idling.

Those of `connect_for_all_practices` and `pool_for_all_practices` see every practice's rows, and say so where
they are opened; requests of practices and therapists go through `tenant_guard`.
"""

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from urllib.parse import urlsplit

from psycopg import AsyncConnection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import QueryCanceled
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger
from services.runtime.process.settings import DatabaseSettings, read_secret

Connection = AsyncConnection[TupleRow]

HAS_TRANSACTION_TIMEOUT = 170_000
"""The first version of PostgreSQL that limits a whole transaction, as its clients report it."""

_PLAIN_MODES = frozenset({"disable", "allow", "prefer"})
"""The values of `sslmode` with which a connection can be in plain text."""

_CHECKED_MODES = frozenset({"verify-ca", "verify-full"})
"""The values of `sslmode` with which the server's certificate is checked."""

SESSION: Mapping[str, str] = {
    # Otherwise a paused process with an open transaction would block the next owner for ever.
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "5s",
    # A client that lost its power is noticed by the server within seconds, too, and loses its locks.
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    # What a response calls stored must be on disk.
    "synchronous_commit": "on",
    "timezone": "UTC",
}
MOST_CONNECTIONS = 4
"""A pool's, where nothing else is set: on two cores, more answered no more reads (`bench.pool_sizes`)."""
NO_MORE: Mapping[str, str] = {}
"""No settings beside those of every connection."""


def conninfo(
    settings: DatabaseSettings,
    application_name: str = "rapport",
    session: Mapping[str, str] = NO_MORE,
) -> str:
    """Return the libpq connection string with password and session settings: a secret, never to be logged.

    `session` adds settings to those of every connection.

    Raises:
        Halt: `DATABASE_URL` is no address of PostgreSQL, a file cannot be used, nothing says whether a
            connection to another machine is encrypted, or nothing says which certificates to trust.
    """
    url = settings.url.get_secret_value()
    try:
        if urlsplit(url).scheme == "postgresql+psycopg":
            url = url.replace("+psycopg", "", 1)
        given = conninfo_to_dict(url)
    except (ProgrammingError, ValueError):
        # The error quotes the address, and with it the password.
        raise Halt("DATABASE_URL is not an address like postgresql://user@host/database") from None
    _check_encryption(given, settings)
    _check_authority(given, settings)
    options = " ".join(f"-c {name}={value}" for name, value in {**SESSION, **session}.items())
    extra: dict[str, str | int] = {
        "application_name": application_name,
        "connect_timeout": settings.connect_timeout_s,
        "options": f"{given.get('options') or ''} {options}".strip(),
        # A server that vanished without closing the connection is noticed within seconds, not hours.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    if settings.password_file is not None:
        extra["password"] = read_secret(settings.password_file).get_secret_value()
    if settings.sslmode is not None:
        extra["sslmode"] = settings.sslmode
    if settings.ssl_ca_file is not None:
        extra["sslrootcert"] = str(settings.ssl_ca_file)
    return make_conninfo(url, **extra)


def _check_encryption(given: Mapping[str, object], settings: DatabaseSettings) -> None:
    """Refuse what libpq would do by itself: go on in plain text where the server offers no TLS."""
    hosts = given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or ""
    remote = [host for host in str(hosts).split(",") if not _is_on_this_machine(host)]
    mode = settings.sslmode or given.get("sslmode") or os.environ.get("PGSSLMODE")
    if not remote:
        return
    if mode is None:
        raise Halt(
            f"DATABASE_URL leads to another machine ({', '.join(remote)}), and nothing says whether the"
            " connection is encrypted: set DATABASE_SSLMODE to verify-full (with DATABASE_SSL_CA_FILE), or to"
            " disable where the network is your own"
        )
    if mode in _PLAIN_MODES:
        _say_unencrypted(", ".join(remote), str(mode))


def _check_authority(given: Mapping[str, object], settings: DatabaseSettings) -> None:
    """Refuse what libpq would do by itself: trust whatever a file in the home folder says."""
    mode = settings.sslmode or given.get("sslmode") or os.environ.get("PGSSLMODE")
    if settings.ssl_ca_file is not None:
        try:
            ssl.create_default_context(cafile=str(settings.ssl_ca_file))
        except (OSError, ssl.SSLError) as error:
            raise Halt(
                f"cannot use DATABASE_SSL_CA_FILE {settings.ssl_ca_file} ({type(error).__name__})"
            ) from None
    elif mode in _CHECKED_MODES and not (given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")):
        raise Halt(
            f"{mode} needs DATABASE_SSL_CA_FILE, the certificate of the authority that issued the server's;"
            " for a public authority it is the system's file, such as /etc/ssl/certs/ca-certificates.crt"
        )


def _is_on_this_machine(host: str) -> bool:
    # libpq takes an empty host, a path and an abstract name (@) for a socket of this machine.
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _say_unencrypted(hosts: str, mode: str) -> None:
    # Once for each process, however many connections there are.
    get_logger().warning("database-not-encrypted", host=hosts, sslmode=mode)


async def connect_for_all_practices(
    settings: DatabaseSettings, application_name: str, *, transaction_timeout_s: float | None = None
) -> Connection:
    """Return a connection that begins a transaction with its first statement and sees all practices' rows.

    After `transaction_timeout_s` the server ends a transaction, whatever its client does: one that is frozen
    in the middle of a pipeline counts neither as idle nor as waiting for a lock. A server before version 17
    has no such limit; there a frozen client keeps its locks until it goes on or its connection breaks.

    Raises:
        psycopg.OperationalError: the server is away or refuses the connection.
    """
    connection = await AsyncConnection.connect(conninfo(settings, application_name))
    if transaction_timeout_s is not None and connection.info.server_version >= HAS_TRANSACTION_TIMEOUT:
        try:
            await connection.set_autocommit(True)
            limit_ms = str(int(transaction_timeout_s * 1000))
            await connection.execute("SELECT set_config('transaction_timeout', %s, false)", (limit_ms,))
            await connection.set_autocommit(False)
        except BaseException:
            await connection.close()
            raise
    return connection


class CountingPool(AsyncConnectionPool[Connection]):
    """A pool that counts the statements that PostgreSQL ended because their time was over."""

    statements_ended = 0

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109 - as psycopg
        """Borrow a connection for a transaction, as the pool of psycopg lends it."""
        try:
            async with super().connection(timeout) as conn:
                yield conn
        except QueryCanceled:
            self.statements_ended += 1
            raise


def pool_for_all_practices(
    settings: DatabaseSettings, application_name: str, *, connections: int = MOST_CONNECTIONS
) -> CountingPool:
    """Return a pool, not open yet, whose connections see all practices' rows."""
    return pool_with(settings, application_name, NO_MORE, connections=connections)


def pool_with(
    settings: DatabaseSettings,
    application_name: str,
    session: Mapping[str, str],
    *,
    connections: int = MOST_CONNECTIONS,
    read_only: bool = False,
) -> CountingPool:
    """Return a pool that is not open yet; `open(wait=False)` returns at once while the server is away.

    `session` adds settings to those of every connection. It opens at most `connections`. The file of
    the password is read for each new one, so that a changed password needs no restart.

    Raises:
        Halt: as `conninfo`.
    """
    # Wrong settings end the process now, and not later in the pool's own tasks, which would try for ever.
    conninfo(settings, application_name, session)

    async def configure(connection: Connection) -> None:
        await connection.set_read_only(read_only)

    return CountingPool(
        partial(conninfo, settings, application_name, session),
        min_size=min(settings.pool_min_size, connections),
        max_size=connections,
        open=False,
        configure=configure,
        timeout=float(settings.connect_timeout_s),
        check=AsyncConnectionPool.check_connection,
        name=application_name,
    )
