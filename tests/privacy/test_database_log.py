"""PostgreSQL's own log names no client and no session when a row cannot be written."""

from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from services.cli.local.embedded import keep_values_out_of_the_log
from tests.support.images import compose_file


def _log(url: str) -> str:
    with psycopg.connect(url) as conn:
        (folder,) = conn.execute("SHOW data_directory").fetchone() or ("",)
    return (Path(folder) / "log").read_text()


def test_a_unique_violation_is_logged_without_its_values(postgres_url: str, database_url: str) -> None:
    keep_values_out_of_the_log(postgres_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE taken (canary_id text PRIMARY KEY)")
        conn.execute("INSERT INTO taken VALUES (%s)", ("client-canary-7f3a",))
        with pytest.raises(errors.UniqueViolation):
            conn.execute("INSERT INTO taken VALUES (%s)", ("client-canary-7f3a",))

    log = _log(postgres_url)
    assert 'violates unique constraint "taken_pkey"' in log
    assert "client-canary-7f3a" not in log


def test_the_stacks_database_starts_without_details_of_errors() -> None:
    command = compose_file()["services"]["postgres"]["command"]

    assert command[0] == "postgres"
    assert {"log_error_verbosity=terse", "log_parameter_max_length=0"} <= set(command)
