"""Computes for each client the practice's statistics from other clients of the same practice.

A service computes a practice's statistics from the forms it has by then, so a client's later forms are never
among them. Statistics of the other half of the clients keep to that where whole histories are assessed at
once.
"""

from collections.abc import Sequence

import numpy as np

from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.form import Form, form_matrix
from services.detector.features.practice_statistics import practice_statistics

_HALVES = ("even", "odd")


def statistics_of_others(
    histories: Sequence[Sequence[Form]], practices: Sequence[str] | None = None
) -> list[PracticeStatistics | None]:
    """Return, for each client, the statistics of the other half of the practice's clients.

    The halves are the clients with even and with odd numbers, counted within each practice. The result is
    None for a client whose other half has too few rated clients for statistics.

    Args:
        histories: the forms of each client, in order.
        practices: the practice of each client; None: all are of one practice.
    """
    members: dict[str, list[int]] = {}
    for client, practice in enumerate(practices if practices is not None else [""] * len(histories)):
        members.setdefault(practice, []).append(client)
    found: list[PracticeStatistics | None] = [None] * len(histories)
    for clients in members.values():
        halves = clients[::2], clients[1::2]
        for name, half, others in zip(_HALVES, halves, reversed(halves), strict=True):
            statistics = _statistics([histories[client] for client in half], name)
            for client in others:
                found[client] = statistics
    return found


def _statistics(histories: Sequence[Sequence[Form]], half: str) -> PracticeStatistics | None:
    columns = form_matrix([form for forms in histories for form in forms])
    client = np.repeat(np.arange(len(histories)), [len(forms) for forms in histories])
    values = practice_statistics(columns, client)
    return None if values is None else PracticeStatistics(f"{half} clients", tuple(values.tolist()))
