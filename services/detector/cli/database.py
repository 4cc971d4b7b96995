"""Runs one piece of work with a connection to the detector's database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from services.runtime.process.out_option import check_out

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

Result = TypeVar("Result")


def run_with_database(work: Callable[["Connection"], Awaitable[Result]]) -> Result:
    """Connect by the settings in the environment, do the work, and return its result."""
    return asyncio.run(_run(work))


def write_export(
    export: Callable[["Connection", list[str]], Awaitable[bytes]], practices: list[str], out: Path
) -> None:
    """Write what `export` reads of these practices to a file.

    Raises:
        Halt: there is no such practice.
    """

    check_out(out)

    async def read(conn: "Connection") -> bytes:
        await require_practices(conn, practices)
        return await export(conn, practices)

    out.write_bytes(run_with_database(read))


async def require_practices(conn: "Connection", practices: Sequence[str]) -> None:
    """Check that there are these practices.

    Raises:
        Halt: one does not exist.
    """
    from services.runtime.process.errors import Halt

    rows = await conn.execute("SELECT practice_id FROM detector.practice")
    known = {row[0] for row in await rows.fetchall()}
    if missing := [one for one in practices if one not in known]:
        raise Halt(
            f"There is no practice {', '.join(missing)}: `rapport models list` names all. Nothing was"
            " written."
        )


async def _run(work: Callable[["Connection"], Awaitable[Result]]) -> Result:
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.process.settings import DatabaseSettings

    async with await connect_for_all_practices(DatabaseSettings(), "rapport-cli") as conn:
        return await work(conn)
