"""Renames a client in the detector's tables, and tells the notifier."""

from dataclasses import dataclass
from datetime import datetime

from schemas import topics
from schemas.envelope import HEADERS, ClientRenamedEvent, encode, envelope_fields
from schemas.events import ClientRenamed
from schemas.ids import ClientId, PracticeId, client_renamed_event_id
from services.detector.storage.audit_log import log_act
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import (
    Party,
    Rename,
    RenameRefusedError,
    current_name,
    lock_names,
    rename_in_tables,
    renamed_at,
)
from services.runtime.process.cli_plugin import OperatorAct

KEY = b"client-renamed"
PARTITION = 0
"""Any partition will do, and one keeps renamings in order."""
RENAMED = "client-renamed"
_HAS_SESSIONS = "SELECT FROM detector.dyad WHERE practice_id = %s AND client_id = %s LIMIT 1"


@dataclass(frozen=True, slots=True)
class ClientRenaming:
    """The reference that a practice has replaced, the new one, and who says so."""

    practice: str
    old: str
    new: str
    actor: str


async def rename_client(conn: Connection, practice: str, old: str, new: str, now: datetime) -> dict[str, int]:
    """Give a client another reference, in the open transaction; return the number of rows changed, by table.

    Histories, assessments, episodes and what waits go along, and nothing is assessed or published anew.

    Raises:
        RenameRefusedError: the new reference has sessions of its own or belongs to somebody else, or the old
            one is not used any more.
    """
    if await current_name(conn, "detector", Party.CLIENT, practice, old) == new:
        return {}
    if await (await conn.execute(_HAS_SESSIONS, (practice, new))).fetchone() is not None:
        raise RenameRefusedError(
            f"{new} has sessions of its own, and two histories cannot become one: send the sessions of {old}"
            f' with the status "withdrawn", and then again as sessions of {new}'
        )
    return await rename_in_tables(conn, "detector", Rename(Party.CLIENT, practice, old, new), now)


async def rename_and_publish(tx: Transaction, renaming: ClientRenaming, erasures: Erasures) -> datetime:
    """Rename a client, log who wanted it, and publish it for the notifier; return when that was.

    One who has the new reference already is not renamed again, and it is published once more.

    Raises:
        RenameRefusedError: as above, or the new reference was erased.
    """
    practice, old, new = renaming.practice, renaming.old, renaming.new
    await lock_names(tx.conn, "detector", Party.CLIENT)
    at = await renamed_at(tx.conn, "detector", Party.CLIENT, practice, old)
    if at is None or await current_name(tx.conn, "detector", Party.CLIENT, practice, old) != new:
        if await erasures.newest(tx.conn) and await erasures.until(tx.conn, [("client", practice, new)]):
            raise RenameRefusedError(
                f"{new} was erased, and what had been accepted of them stays so: choose another reference"
            )
        at = tx.now
        await rename_client(tx.conn, practice, old, new, at)
        act = OperatorAct(practice, RENAMED, client=new)
        await log_act(tx.conn, act, renaming.actor)
    event_id = client_renamed_event_id(PracticeId(practice), ClientId(old), ClientId(new), at)
    data = ClientRenamed(practice_id=practice, former_client_id=old, client_id=new, renamed_at=at)
    event = ClientRenamedEvent.model_validate(
        {**envelope_fields(event_id, "detector", at, KEY), "data": data}
    )
    tx.publish(Outgoing(topics.EPISODE_CHANGED.name, KEY, encode(event), PARTITION, HEADERS))
    return at
