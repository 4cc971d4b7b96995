"""Measures the processor time of one rating's history, features, model and explanation.

    python -m bench.assessment_cost [--dyads 512] [--runs 15]

It measures batches of 512 dyads on one thread in three cases: one rating after a snapshot, which is the usual
case; a late rating, after which the dyad's history of 30 sessions is folded again; and a history without any
stored assessment. Each case is measured with the shipped model and, if that has no network, also with a
network of 64 units and random weights beside it. The cases take turns; it prints raw runs and medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lab.product_path import forms_of
from lab.simulator.cohort import simulate
from lab.simulator.world import typical_world
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.artefact import load
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.networks import with_random_network

SESSIONS = 30
SEED = 5


def histories(dyads: int) -> list[list[Form]]:
    """Return the forms of this many clients, who attend every session."""
    rng = np.random.default_rng(SEED)
    cohort = simulate(rng, dyads, typical_world(Catalogue.load().get("wai-sr"), rng), SESSIONS)
    cohort.present[:] = True
    return [forms_of(cohort, client) for client in range(dyads)]


def cpu_us(work: Callable[[], object], ratings: int) -> float:
    """Return the processor time of one run in µs per rating."""
    began = time.process_time()
    work()
    return 1e6 * (time.process_time() - began) / ratings


def main() -> None:
    """Measure, and print raw runs and medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dyads", type=int, default=512)
    parser.add_argument("--runs", type=int, default=15)
    wanted = parser.parse_args()
    whole = histories(wanted.dyads)
    shipped = load()
    work = _cases("the shipped model", shipped, whole)
    if shipped.network is None:
        work |= _cases("a network of 64 units", with_random_network(shipped, SEED, 64, 32), whole)
    runs: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(wanted.runs):
        for name, assess in work.items():
            runs[name].append(cpu_us(assess, wanted.dyads))
    for name, found in runs.items():
        print(json.dumps({"case": name, "us": [round(us, 1) for us in found]}))
    for name, found in runs.items():
        print(f"{name}: median {statistics.median(found):.1f} us of CPU per rating, minimum {min(found):.1f}")


def _cases(
    name: str, detector: TrainedDetector, whole: Sequence[Sequence[Form]]
) -> dict[str, Callable[[], object]]:
    before = detector.assess([DyadForms(None, forms[:-1]) for forms in whole])
    cases: dict[str, Sequence[DyadForms]] = {
        "on a snapshot": [
            DyadForms(assessed.snapshot, forms[-1:]) for assessed, forms in zip(before, whole, strict=True)
        ],
        f"{SESSIONS} sessions anew, all but the last known": [
            DyadForms(None, forms, SESSIONS - 1) for forms in whole
        ],
        f"{SESSIONS} sessions anew, none known": [DyadForms(None, forms) for forms in whole],
    }
    return {f"{case}, {name}": partial(detector.assess, dyads) for case, dyads in cases.items()}


if __name__ == "__main__":
    main()
