"""Finds the therapist whom a provider's claims mean: exactly one entry of the practice, or nobody."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from services.notifier.directory.store import Connection
from services.notifier.openid.provider_settings import MatchedField, ProviderSettings

_LONGEST = 254
_CONDITION = {
    MatchedField.ADDRESS: "lower(address) = lower(%s)",
    MatchedField.THERAPIST_ID: "therapist_id = %s",
}


class Mismatch(StrEnum):
    """Why nobody can be signed in with a provider's claims."""

    MISSING = "missing"
    """The claim is missing, or is no plain text."""
    UNVERIFIED = "unverified"
    """The provider has not verified the mail address."""
    UNKNOWN = "unknown"
    """The practice's directory has no entry, or several, with the claimed value."""


def claimed_value(settings: ProviderSettings, claims: Mapping[str, Any]) -> str | Mismatch:
    """Return the value of the configured claim, or why it does not count."""
    value = claims.get(settings.claim)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST:
        return Mismatch.MISSING
    if settings.claim == "email" and claims.get("email_verified") is not True:
        return Mismatch.UNVERIFIED
    return value


async def find_match(
    conn: Connection, practice_id: str, settings: ProviderSettings, value: str
) -> str | None:
    """Return the id of the one therapist with this value; their entry stays locked in this transaction."""
    rows = await (
        await conn.execute(
            f"SELECT therapist_id FROM notifier.therapist WHERE practice_id = %s"
            f" AND {_CONDITION[settings.matches]} FOR SHARE",
            (practice_id, value),
        )
    ).fetchall()
    return str(rows[0][0]) if len(rows) == 1 else None
