"""Builds the SQL of the tables that remember the references of therapists and clients who were renamed."""

from deploy.postgres.plain_name import plain_name

_THERAPIST_NAMES = """
-- Every reference that a renamed therapist has or had. Ids of dyads are made of the first one, whatever a
-- record says; everything else is stored under the current one.
CREATE TABLE {schema}.therapist_name (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    first_id text NOT NULL,
    current_id text NOT NULL,
    renamed_at timestamptz NOT NULL,
    PRIMARY KEY (practice_id, therapist_id)
);
"""

_CLIENT_NAMES = """
-- Every reference that a renamed client has or had. Ids of dyads are made of the first one, whatever a record
-- says; everything else is stored under the current one. An erasure of the client deletes the rows.
CREATE TABLE {schema}.client_name (
    practice_id text NOT NULL,
    client_id text NOT NULL,
    first_id text NOT NULL,
    current_id text NOT NULL,
    renamed_at timestamptz NOT NULL,
    PRIMARY KEY (practice_id, client_id)
);
CREATE INDEX client_name_first ON {schema}.client_name (practice_id, first_id);
"""


def add_therapist_names(schema: str) -> str:
    """Return the SQL that creates the table of the names that renamed therapists had in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _THERAPIST_NAMES.format(schema=plain_name(schema))


def add_client_names(schema: str) -> str:
    """Return the SQL that creates the table of the references that renamed clients had in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _CLIENT_NAMES.format(schema=plain_name(schema))
