"""Adds what was erased: who by a keyed hash, when, by whom, and the places of the erased deliveries."""

from alembic import op

from deploy.postgres.erasure_tables import add_erasures, drop_erasures

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = """
CREATE INDEX dyad_client ON detector.dyad (practice_id, client_id);
CREATE INDEX response_dyad ON detector.response (dyad_id);
"""


def upgrade() -> None:
    """Create the tables, and the indexes by which all of a client is found."""
    op.execute(add_erasures("detector"))
    op.execute(INDEXES)


def downgrade() -> None:
    """Refuse to forget who was erased: a replay would bring them back."""
    erased = "SELECT EXISTS (SELECT FROM detector.erasure)"
    if op.get_bind().exec_driver_sql(erased).scalar():
        raise RuntimeError("clients were erased: the version before would bring them back at a replay")
    op.execute("DROP INDEX detector.response_dyad, detector.dyad_client")
    op.execute(drop_erasures("detector"))
