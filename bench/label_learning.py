"""Measures how learning from therapists' answers changes the risk, for attentive and careless therapists.

    python -m bench.label_learning [--clients 1500] [--seeds 3]

Simulated practices of every kind that the model was not trained on answer a number of their episodes; the
learned model is compared with the truth on other clients. It prints the table of docs/learning.md and takes
about ten minutes.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from lab.studies.label_learning import StudyOutcome, study
from lab.studies.simulated_answers import HABITS
from services.detector.model.artefact import load

COUNTS = (200, 400)
TITLES = (
    "therapists", "answers", "practices", "candidates", "log loss before", "after", "worst change",
    "calibration error before", "after", "were every candidate taken",
    "false alarms 2 to 8 of 100 before", "after",
)  # fmt: skip


def row(habits: str, count: int, outcomes: Sequence[StudyOutcome]) -> str:
    """Return one row of the table: means before and after practices activated a better candidate."""
    before, tried = [outcome.before for outcome in outcomes], [outcome.candidate for outcome in outcomes]
    after = [outcome.candidate if outcome.activated else outcome.before for outcome in outcomes]

    def mean(values: list[float]) -> str:
        return f"{np.mean(values):.3f}"

    def within_target(values: list[float]) -> str:
        return f"{sum(2 <= one <= 8 for one in values)}"

    worst = max(new.log_loss - old.log_loss for new, old in zip(after, before, strict=True))
    cells = (
        habits, str(count), str(len(outcomes)), str(sum(outcome.activated for outcome in outcomes)),
        mean([one.log_loss for one in before]), mean([one.log_loss for one in after]), f"{worst:+.3f}",
        mean([one.calibration_error for one in before]), mean([one.calibration_error for one in after]),
        mean([one.calibration_error for one in tried]),
        within_target([one.false_per_100_stable for one in before]),
        within_target([one.false_per_100_stable for one in after]),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    found = study(
        load(), wanted.clients, range(wanted.seeds), COUNTS, lambda kind: print(kind, file=sys.stderr)
    )
    print(f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}")
    for habits in HABITS:
        for count in COUNTS:
            outcomes = [each for each in found if (each.habits, each.labels) == (habits.name, count)]
            if outcomes:
                print(row(habits.name, count, outcomes))


if __name__ == "__main__":
    main()
