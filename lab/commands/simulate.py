"""Sizes and a seed in, two files out: a practice network's ratings in sending order, and the truth."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np

from lab.simulator.practice_network import ClientCourse, Sizes, simulate_network
from lab.simulator.submissions import Sending, in_sending_order


def truth(courses: Iterable[ClientCourse], seed: int, end: datetime) -> dict[str, object]:
    """What was planted: per dyad its sessions in order, its ruptures, and the vendor rule's flags on them."""
    return {
        "seed": seed,
        "end": end.isoformat(),
        "dyads": [
            {
                "practice": course.practice,
                "therapist_id": course.therapist_id,
                "client_id": course.client_id,
                "case_id": "",
                "instrument": course.instrument,
                "sessions": [session.id for session in course.sessions],
                "ruptures": [asdict(rupture) for rupture in course.ruptures],
                "rupture_sessions": [s.id for s in course.sessions if s.rupture],
                "vendor_flags": [s.id for s in course.sessions if s.vendor_flag],
            }
            for course in courses
        ],
    }


def write(
    sizes: Sizes, seed: int, end: datetime, ratings: Path, truth_file: Path | None
) -> tuple[list[ClientCourse], list[Sending]]:
    """Write the files and return what is in them; the same arguments give the same bytes.

    Each line of `ratings` is `{"practice", "rating", "expect": "accepted" | "refused", "why"}`.
    """
    rng = np.random.default_rng(seed)
    courses = simulate_network(rng, sizes, end)
    sendings = in_sending_order(rng, courses, end)
    with ratings.open("w", encoding="utf-8") as file:
        for sending in sendings:
            file.write(json.dumps(sending.line(), separators=(",", ":")) + "\n")
    if truth_file is not None:
        truth_file.write_text(json.dumps(truth(courses, seed, end), indent=1) + "\n", encoding="utf-8")
    return courses, sendings
