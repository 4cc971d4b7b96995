"""Checks names that are put into SQL."""

import re

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def plain_name(name: str) -> str:
    """Return a name that SQL takes without quotes.

    Raises:
        ValueError: it would need quoting.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain name")
    return name
