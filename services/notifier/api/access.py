"""Access: a request's key in, the practice it may act for out."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from services.runtime.credentials import CredentialStore

SCOPE_THERAPISTS = "therapists:write"
SCOPE_RESULTS = "results:read"

Practice = Callable[[str | None, str | None], str]


def practice_for(credentials: CredentialStore, scope: str) -> Practice:
    """A dependency that gives the practice a request may act for."""

    def practice(
        authorization: Annotated[str | None, Header()] = None,
        rapport_practice: Annotated[str | None, Header()] = None,
    ) -> str:
        return credentials.authenticate(authorization, rapport_practice, scope).tenant

    return practice
