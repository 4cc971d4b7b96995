"""Says which practices are sandboxes: practices of made-up data that are erased every night."""

SANDBOX_SUFFIX = ".sandbox"
"""Ends the id of a sandbox, and no other: nobody is added under such an id as a practice of real clients."""
IN_SANDBOX = f"right({{column}}, {len(SANDBOX_SUFFIX)}) = '{SANDBOX_SUFFIX}'"
"""The SQL condition on a column of practices' ids by which rows of sandboxes are found."""


def is_sandbox(practice: str) -> bool:
    """Return whether a practice's data is made up.

    >>> is_sandbox("north.sandbox"), is_sandbox("north")
    (True, False)
    """
    return practice.endswith(SANDBOX_SUFFIX)


def sandbox_of(practice: str) -> str:
    """Return the id of a practice's sandbox; that of a sandbox is its own.

    >>> sandbox_of("north"), sandbox_of("north.sandbox")
    ('north.sandbox', 'north.sandbox')
    """
    return practice if is_sandbox(practice) else f"{practice}{SANDBOX_SUFFIX}"
