"""Says which tenants are sandboxes: tenants of made-up data that are erased every night."""

SANDBOX_SUFFIX = ".sandbox"
"""Ends the id of a sandbox, and no other: no tenant with real data is added under such an id."""
IN_SANDBOX = f"right({{column}}, {len(SANDBOX_SUFFIX)}) = '{SANDBOX_SUFFIX}'"
"""The SQL condition on a column of tenants' ids by which rows of sandboxes are found."""


def is_sandbox(tenant: str) -> bool:
    """Return whether a tenant's data is made up.

    >>> is_sandbox("north.sandbox"), is_sandbox("north")
    (True, False)
    """
    return tenant.endswith(SANDBOX_SUFFIX)


def sandbox_of(tenant: str) -> str:
    """Return the id of a tenant's sandbox; that of a sandbox is its own.

    >>> sandbox_of("north"), sandbox_of("north.sandbox")
    ('north.sandbox', 'north.sandbox')
    """
    return tenant if is_sandbox(tenant) else f"{tenant}{SANDBOX_SUFFIX}"
