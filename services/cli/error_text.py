"""Says what ended a command in sentences for the person who typed it."""

import os
from pathlib import Path

_PROGRAM = tuple(Path(__file__).parents[2] / package for package in ("services", "schemas", "lab"))


def error_text(error: BaseException) -> str | None:
    """Return the sentences for an error whose cause is outside the program; None for a fault of its own."""
    import psycopg
    from pydantic import ValidationError
    from pydantic_settings import SettingsError
    from sqlalchemy.exc import OperationalError

    from schemas.csv_table import UnreadableTable
    from schemas.rating_tables.table_errors import UnusableTable
    from services.runtime.process.errors import Fault
    from services.runtime.process.wrong_settings import is_about_settings, wrong_settings

    if isinstance(error, Fault | UnreadableTable | UnusableTable):
        return str(error)
    if isinstance(error, SettingsError) or (isinstance(error, ValidationError) and is_about_settings(error)):
        return "\n".join(wrong_settings(error))
    cause = error.orig if isinstance(error, OperationalError) else error
    if isinstance(cause, psycopg.OperationalError):
        # libpq names host, user and database, and never the password.
        return f"The database could not be used; check DATABASE_URL and whether it runs.\n{cause}".rstrip()
    if isinstance(error, OSError) and error.filename is not None:
        return _unusable_file(error)
    return _unreachable(error)


def _unreachable(error: BaseException) -> str | None:
    """Return which broker or service does not answer, and what to check; None for another error."""
    import httpx
    from aiokafka.errors import KafkaConnectionError

    if isinstance(error, KafkaConnectionError):
        address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        tried = f" at {address}" if address else ""
        said = f"The broker{tried} could not be reached; check KAFKA_BOOTSTRAP_SERVERS and whether it runs."
        return "\n".join([said, *map(str, error.args)])
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
    file = Path(str(error.filename))
    if not set(_PROGRAM).isdisjoint(file.absolute().parents):
        return None
    return f"{file} cannot be used: {error.strerror}. Check the path and who may read and write there."
