"""Says whether this version of a service runs on the tables that it finds.

The tables have a revision, that of the newest migration, and a row of `runs_from`: the oldest revision whose
services run on them. A migration that only adds (expand) leaves that row as it is, so that the version before
goes on; one that takes something away (contract) raises it. Revisions are known by the names of their files,
because a service has no use for Alembic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.errors import UndefinedTable

from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Halt
from services.runtime.process.metrics import version

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "postgres"
"""The migrations: `<service>/versions/<revision>_<what it does>.py`, each after the one before."""


class TablesBehind(psycopg.OperationalError):
    """The tables lack migrations that this version needs: it asks again until somebody has migrated them."""

    def __init__(self, schema: str, missing: Sequence[str]) -> None:
        super().__init__(f"the tables of {schema} lack migrations up to {missing[-1]}: run `rapport migrate`")
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class TablesFound:
    """What the tables say of themselves; None for what they do not say."""

    revision: str | None = None
    runs_from: str | None = None
    """The oldest revision whose services run on them."""
    version: str | None = None
    """The version of the program that migrated them."""


@dataclass(frozen=True, slots=True)
class TableVersions:
    """The revisions that one version of a service knows, oldest first."""

    schema: str
    known: Sequence[str]

    @classmethod
    def of(cls, schema: str) -> "TableVersions":
        """Return what this version knows of the tables of a service.

        Raises:
            Halt: the service has no migrations.
        """
        files = (FOLDER / schema / "versions").glob("[0-9]*.py")
        known = sorted(file.name.partition("_")[0] for file in files)
        if not known:
            raise Halt(f"there are no migrations for {schema!r} below {FOLDER}")
        return cls(schema, known)

    def pending(self, found: TablesFound) -> tuple[str, ...]:
        """Return the revisions that the tables lack, oldest first; none where they are of a newer version.

        Raises:
            Halt: they are of a newer version, and this one does not run on them.
        """
        if found.revision is None:
            return tuple(self.known)
        if found.revision in self.known:
            return tuple(self.known[self.known.index(found.revision) + 1 :])
        if found.runs_from in self.known:
            return ()
        raise Halt(
            f"the tables of {self.schema} are not of this version: version {found.version or 'unknown'}"
            f" migrated them, they need revision {found.runs_from or found.revision} or a newer one, and this"
            f" is version {version()} with revision {self.known[-1]}; run the newer version, or restore the"
            " backup that was made before it"
        )

    async def check(self, connection: Connection) -> None:
        """Read what the tables say of themselves; refuse to go on in the open transaction if they do not fit.

        Raises:
            TablesBehind: migrations are missing.
            Halt: this version does not run on the tables any more.
        """
        try:
            cursor = await connection.execute(
                f"SELECT m.version_num, r.revision, r.version FROM {self.schema}.migration m"
                f" LEFT JOIN {self.schema}.runs_from r ON true"
            )
        except UndefinedTable as error:
            # Tables that do not say how old they are.
            raise TablesBehind(self.schema, self.known) from error
        row = await cursor.fetchone()
        if missing := self.pending(TablesFound(*row) if row else TablesFound()):
            raise TablesBehind(self.schema, missing)
