"""Writes a simulated practice network to two files: its ratings in sending order, and the truth."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np

from lab.simulator.practice_network import ClientCourse, SimulationSize, simulate_network
from lab.simulator.submissions import Submission, submissions_in_order


def truth(courses: Iterable[ClientCourse], seed: int, end: datetime) -> dict[str, object]:
    """Return, as JSON holds it, each dyad's sessions in order, its ruptures, and the vendor rule's flags."""
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


def write_network(
    size: SimulationSize, seed: int, end: datetime, ratings: Path, truth_file: Path | None
) -> tuple[list[ClientCourse], list[Submission]]:
    """Write the files and return their content; the same arguments give the same bytes.

    Each line of `ratings` is `{"practice", "rating", "expect": "accepted" | "refused", "why"}`.
    """
    rng = np.random.default_rng(seed)
    courses = simulate_network(rng, size, end)
    submissions = submissions_in_order(rng, courses, end)
    with ratings.open("w", encoding="utf-8") as file:
        for submission in submissions:
            file.write(json.dumps(submission.line(), separators=(",", ":")) + "\n")
    if truth_file is not None:
        truth_file.write_text(json.dumps(truth(courses, seed, end), indent=1) + "\n", encoding="utf-8")
    return courses, submissions
