"""Runs a PostgreSQL with the roles that the composed stack creates."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.postgres import postgres_server

_ROLES = Path(__file__).parents[2] / "deploy/compose/postgres/roles.sh"


@contextmanager
def composed_server() -> Iterator[str]:
    """Start a server of its own, because roles belong to the whole server; yields its superuser's URL."""
    with postgres_server() as server:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("CREATE DATABASE rapport")
        script = _ROLES.read_text().split("<<'SQL'\n")[1].removesuffix("SQL\n")
        url = urlunsplit(urlsplit(server)._replace(path="/rapport"))
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(re.sub(r":('\w+')", r"\1", script).encode())
        yield url


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database for another role of this server."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}@{host}"))
