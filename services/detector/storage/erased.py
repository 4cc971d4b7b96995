"""Reads until when dyads were erased: with their client, with their therapist, or with the whole practice."""

from collections.abc import Mapping
from datetime import datetime

from schemas.ids import Dyad, DyadId, erasure_subjects
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres.connect import Connection


async def read_erased(
    conn: Connection, erasures: Erasures, dyads: Mapping[DyadId, Dyad]
) -> dict[DyadId, datetime]:
    """Return until when each of these dyads was erased, for those that were."""
    if not dyads:
        return {}
    subjects = {
        id_: erasure_subjects(who.practice_id, who.therapist_id, who.client_id) for id_, who in dyads.items()
    }
    until = await erasures.until(conn, {subject for of_dyad in subjects.values() for subject in of_dyad})
    found = {id_: [until[one] for one in of_dyad if one in until] for id_, of_dyad in subjects.items()}
    return {id_: max(times) for id_, times in found.items() if times}
