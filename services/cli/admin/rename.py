"""Renames a therapist or a client in the tables of every service, in one transaction."""

from services.cli import plugins
from services.cli.admin.audit import OperatorAction, record_acts
from services.runtime.outbox.erasures import Erasures, close_gate
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.cli_plugin import ErasureScope, OperatorAct
from services.runtime.process.settings import DatabaseSettings


async def rename_therapist(settings: DatabaseSettings, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a therapist of a practice everywhere; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done, and nothing was changed; the message says why.
        psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected: the tables are in use for now.
    """
    changed: dict[str, int] = {}
    async with await connect_for_all_practices(settings, "rapport-therapists") as conn:
        for plugin in plugins.installed():
            if plugin.rename_therapist is not None:
                changed |= await plugin.rename_therapist(conn, practice, old, new)
        if not changed:
            raise ValueError(f"nothing is known about a therapist {old} of {practice} who is not {new} yet")
    return changed


async def rename_client(
    settings: DatabaseSettings, secret: bytes, practice: str, old: str, new: str
) -> dict[str, int]:
    """Rename a client of a practice everywhere; return the number of rows changed, by table.

    `secret` is that of erasures: an erased reference is given to nobody.

    Raises:
        ValueError: it cannot be done, and nothing was changed; the message says why.
        Halt: the secret is another one than that of earlier erasures.
        psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected: the tables are in use for now.
    """
    changed: dict[str, int] = {}
    async with await connect_for_all_practices(settings, "rapport-clients") as conn:
        # Neither an erasure nor a batch about the client runs beside it.
        await close_gate(conn)
        subject = ErasureScope(practice, client=new).subject
        for plugin in plugins.installed():
            if plugin.has_tables and await Erasures(plugin.name, secret).until(conn, [subject]):
                raise ValueError(
                    f"{new} was erased, and what had been accepted of them stays so: choose another reference"
                )
            if plugin.rename_client is not None:
                changed |= await plugin.rename_client(conn, practice, old, new)
        if not changed:
            raise ValueError(f"nothing is known about a client {old} of {practice} who is not {new} yet")
        await record_acts(conn, [OperatorAct(practice, OperatorAction.CLIENT_RENAMED.value, client=new)])
    return changed
