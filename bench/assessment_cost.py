"""How much CPU a rating takes for history, features, model and explanation together.

    python -m bench.assessment_cost [--dyads 512] [--runs 15]

In batches of 512 dyads, on one thread: one rating on top of a snapshot, as it mostly comes; one that came
late, so that its dyad's history of 30 sessions is folded anew; and a history of which nothing is known yet.
Each is measured in turn, in processor time; medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from lab.product_path import forms_of
from lab.simulator.cohort import simulate
from lab.simulator.world import typical_world
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.artefact import load

SESSIONS = 30
SEED = 5


def histories(dyads: int) -> list[list[Form]]:
    """So many clients' forms of all sessions, however many they would have come to."""
    rng = np.random.default_rng(SEED)
    cohort = simulate(rng, dyads, typical_world(Catalogue.load().get("wai-sr"), rng), SESSIONS)
    cohort.present[:] = True
    return [forms_of(cohort, client) for client in range(dyads)]


def cpu_us(work: Callable[[], object], ratings: int) -> float:
    """Processor time of one run, in µs a rating."""
    began = time.process_time()
    work()
    return 1e6 * (time.process_time() - began) / ratings


def main() -> None:
    """Measure and print raw runs and medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dyads", type=int, default=512)
    parser.add_argument("--runs", type=int, default=15)
    wanted = parser.parse_args()
    detector = load()
    whole = histories(wanted.dyads)
    before = detector.assess([DyadForms(None, forms[:-1]) for forms in whole])
    ways: dict[str, Sequence[DyadForms]] = {
        "on a snapshot": [
            DyadForms(one.snapshot, forms[-1:]) for one, forms in zip(before, whole, strict=True)
        ],
        f"{SESSIONS} sessions anew, all but the last known": [
            DyadForms(None, forms, SESSIONS - 1) for forms in whole
        ],
        f"{SESSIONS} sessions anew, none known": [DyadForms(None, forms) for forms in whole],
    }
    runs: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(wanted.runs):
        for name, dyads in ways.items():
            runs[name].append(cpu_us(lambda dyads=dyads: detector.assess(dyads), wanted.dyads))  # type: ignore[misc]
    for name, found in runs.items():
        print(json.dumps({"way": name, "us": [round(one, 1) for one in found]}))
    for name, found in runs.items():
        print(f"{name}: median {statistics.median(found):.1f} us of CPU a rating, least {min(found):.1f}")


if __name__ == "__main__":
    main()
