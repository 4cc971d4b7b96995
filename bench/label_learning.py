"""What learning from therapists' answers does to the risk, for attentive and for careless therapists.

    python -m bench.label_learning [--clients 1500] [--seeds 3]

The therapists of simulated practices, of every scenario, answer a number of alerts. What was learned is
measured on other clients, against the truth. Prints the table of docs/learning.md; takes about ten minutes.
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


def row(habits: str, count: int, some: Sequence[StudyOutcome]) -> str:
    """One line of the table: before, and after what the practices did whose candidate was better."""
    before, tried = [one.before for one in some], [one.candidate for one in some]
    after = [one.candidate if one.activated else one.before for one in some]

    def mean(values: list[float]) -> str:
        return f"{np.mean(values):.3f}"

    def held(values: list[float]) -> str:
        return f"{sum(2 <= one <= 8 for one in values)}"

    worst = max(new.log_loss - old.log_loss for new, old in zip(after, before, strict=True))
    cells = (
        habits, str(count), str(len(some)), str(sum(one.activated for one in some)),
        mean([one.log_loss for one in before]), mean([one.log_loss for one in after]), f"{worst:+.3f}",
        mean([one.calibration_error for one in before]), mean([one.calibration_error for one in after]),
        mean([one.calibration_error for one in tried]),
        held([one.false_per_100_stable for one in before]), held([one.false_per_100_stable for one in after]),
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
            some = [one for one in found if (one.habits, one.labels) == (habits.name, count)]
            if some:
                print(row(habits.name, count, some))


if __name__ == "__main__":
    main()
