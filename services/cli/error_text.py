"""Says what ended a command in sentences for the person who typed it."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.endpoints import RUN_UP

if TYPE_CHECKING:
    import psycopg

_PROGRAM = tuple(Path(__file__).parents[2] / package for package in ("services", "schemas", "lab"))


_OTHER_TABLES = frozenset({"42P01", "42703", "3F000", "42883", "42P10"})
"""SQLSTATEs of a table, column, schema, function or index that is not there."""
_IN_USE = frozenset({"55P03", "40P01"})
"""A lock that could not be had in time, and a deadlock."""
_NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_NO_RIGHT = "42501"
_READ_ONLY = "25006"


def error_text(error: BaseException) -> str | None:
    """Return the sentences for an error whose cause is outside the program; None for a fault of its own."""
    import psycopg
    from pydantic import ValidationError
    from pydantic_settings import SettingsError
    from sqlalchemy.exc import DBAPIError

    from schemas.csv_table import UnreadableTable
    from schemas.rating_tables.table_errors import UnusableTable
    from services.runtime.process.errors import Fault, Retry
    from services.runtime.process.wrong_settings import is_about_settings, wrong_settings

    if isinstance(error, Fault | UnreadableTable | UnusableTable):
        todo = ". `rapport doctor` says what does not answer." if isinstance(error, Retry) else ""
        return f"{str(error).rstrip('.')}{todo}" if todo else str(error)
    if isinstance(error, SettingsError) or (isinstance(error, ValidationError) and is_about_settings(error)):
        return _about_settings(wrong_settings(error))
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error) and (said := _database_refused(cause)):
        return said
    if isinstance(cause, psycopg.OperationalError):
        # libpq names host, user and database, and never the password.
        return f"The database could not be used; check DATABASE_URL and whether it runs.\n{cause}".rstrip()
    if isinstance(error, OSError) and (said := _unusable_file(error)):
        return said
    return _unreachable(error)


def _about_settings(sentences: Sequence[str]) -> str:
    text = "\n".join(sentences)
    is_missing = any(sentence.startswith("DATABASE_URL is not set") for sentence in sentences)
    return f"{text}\nSet it, or {RUN_UP}." if is_missing else text


def _database_refused(error: "psycopg.Error") -> str | None:
    """Return what to do about a statement that the database refused; None for any other error."""
    said = error.diag.message_primary
    if error.sqlstate in _OTHER_TABLES:
        return (
            f"The tables of the database are not those of this version ({said}). Run `rapport migrate`, and"
            " check that DATABASE_URL names the database of Rapport. If the tables are up to date, this is a"
            " fault of Rapport."
        )
    if error.sqlstate in _IN_USE:
        return (
            f"The tables are in use, perhaps by a backup or a migration ({said}). Nothing was changed: run"
            " the same command again."
        )
    if error.sqlstate == _NO_RIGHT:
        return (
            f"The role in DATABASE_URL may not do this ({said}). Use the role that operators have:"
            " docs/operating.md says which rights each needs."
        )
    if error.sqlstate == _READ_ONLY:
        return f"This database can only be read ({said}). Point DATABASE_URL at the primary server."
    return None


def _unreachable(error: BaseException) -> str | None:
    """Return which broker or service does not answer, and what to check; None for another error."""
    import httpx
    from aiokafka.errors import KafkaConnectionError, KafkaError

    if isinstance(error, KafkaConnectionError):
        address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        tried = f" at {address}" if address else ""
        said = f"The broker{tried} could not be reached; check KAFKA_BOOTSTRAP_SERVERS and whether it runs."
        return "\n".join([said, *map(str, error.args)])
    if isinstance(error, KafkaError):
        return (
            f"The broker did not do what was asked ({type(error).__name__}). Check KAFKA_BOOTSTRAP_SERVERS,"
            " the rights of the user (`rapport topics acls --check`) and the cluster: `rapport doctor`."
        )
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return (
            f"The address of a service is wrong ({error}). RAPPORT_INGEST_URL, RAPPORT_RESULTS_URL and"
            " RAPPORT_NOTIFIER_URL begin with http:// or https://."
        )
    if isinstance(error, httpx.TransportError):
        url = error.request.url
        return (
            f"No service answers at {url.scheme}://{url.netloc.decode()} ({error}). Check the address"
            " (RAPPORT_INGEST_URL, RAPPORT_RESULTS_URL, RAPPORT_NOTIFIER_URL) and whether the service runs:"
            " `rapport doctor`."
        )
    return None


def _unusable_file(error: OSError) -> str | None:
    """Return what is wrong with a file that somebody named; None for one of the program's own."""
    if error.filename is None:
        is_full = error.errno in _NOT_WRITTEN
        said = f"Not everything could be written: {error.strerror}. Make room, or write to another place."
        return said if is_full else None
    file = Path(str(error.filename))
    if not set(_PROGRAM).isdisjoint(file.absolute().parents):
        return None
    return f"{file} cannot be used: {error.strerror}. Check the path and who may read and write there."
