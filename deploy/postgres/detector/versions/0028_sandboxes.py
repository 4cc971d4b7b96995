"""Lets erasures of a sandbox take the place of earlier ones, and dates the places of erased deliveries."""

from alembic import op

from deploy.postgres.erasure_tables import add_sandboxes, drop_sandboxes
from services.runtime.process.errors import Halt

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
runs_from = "0026"

_TAKEN = "SELECT EXISTS (SELECT FROM detector.practice WHERE right(practice_id, 8) = '.sandbox')"


def upgrade() -> None:
    """Change both tables, unless a practice of real clients would be taken for a sandbox and be erased."""
    if op.get_bind().exec_driver_sql(_TAKEN).scalar():
        raise Halt(
            "the id of a practice ends in .sandbox, and such practices are erased every night from this"
            " version on: with the version before, add it under another id, move its ratings with `rapport"
            " export` and `rapport send --history`, and erase it under this one; then migrate again"
        )
    op.execute(add_sandboxes("detector"))


def downgrade() -> None:
    """Take both back; erasures are only added again."""
    op.execute(drop_sandboxes("detector"))
