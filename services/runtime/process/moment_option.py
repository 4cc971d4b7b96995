"""Reads a date, or a date and time, that an option of a command gives."""

from datetime import UTC, datetime

import typer


def since_in_utc(text: str | None) -> datetime | None:
    """Return the moment of the option `--since`, which is in UTC unless it names a zone; None for None.

    Raises:
        typer.BadParameter: it is no date.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "expected a date, or a date and time, such as 2026-01-31 or 2026-01-31T10:00+01:00",
            param_hint="--since",
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
