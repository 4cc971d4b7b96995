"""Computes the statistics of each practice in a table from the table itself, for the models that read them.

Dates play no part: the statistics are those of all ratings in the table and hold for every session in it.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.form import form_matrix
from services.detector.features.practice_forms import PracticeForms

StatisticsByPractice = Mapping[str, tuple[PracticeStatistics, ...]]
"""Each practice's statistics in the order in which they become valid, by practice."""

MOST_CLIENTS = 300
"""Clients of a practice whose forms are read: statistics of more would hardly differ, and reading all of a
large table a second time would take half as long again."""
_VERSION = "file"


def client_rank(client_id: str) -> int:
    """Return a number of 64 bits by which clients are chosen: the same in any table and order of rows.

    >>> client_rank("client-1") == client_rank("client-1") != client_rank("client-2")
    True
    """
    return int.from_bytes(blake2b(client_id.encode(), digest_size=8).digest())


def dyad_columns(dyad: DyadWork) -> NDArray[np.float64]:
    """Return the forms of a dyad's sessions, shape (forms, columns of `FORM_COLUMNS`)."""
    return form_matrix([session.form for session in dyad.sessions if session.form is not None])


def valid_always(forms: PracticeForms) -> tuple[PracticeStatistics, ...]:
    """Return a practice's statistics as the only row, valid at every session; empty with too few clients."""
    values = forms.statistics()
    return () if values is None else (PracticeStatistics(_VERSION, values),)


def statistics_of(dyads: Iterable[DyadWork]) -> StatisticsByPractice:
    """Return the statistics of each practice among dyads that are all in memory, their sessions in order."""
    clients: dict[str, dict[str, list[DyadWork]]] = {}
    for dyad in dyads:
        clients.setdefault(str(dyad.who.practice_id), {}).setdefault(str(dyad.who.client_id), []).append(dyad)
    found = {}
    for practice, by_client in clients.items():
        forms = PracticeForms()
        for client in sorted(by_client, key=client_rank)[:MOST_CLIENTS]:
            for dyad in by_client[client]:
                forms.add(dyad.id, dyad_columns(dyad))
        found[practice] = valid_always(forms)
    return found
