"""Says what ended a command in sentences for the person who typed it."""


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
    return None
