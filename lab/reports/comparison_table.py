"""Makes the table, and the plain words, that compare a model with the model before it."""

from collections.abc import Sequence

from lab.evaluation.paired_comparison import NEAR_PROMISED, PairedFigures, Ratio, YardstickComparison
from lab.evaluation.practice_measures import PROMISED
from lab.reports.tables import ResultTable

_COLUMNS = ("", "model before", "this model", "ratio", "worst")
_NOTE = (
    "AUPRC: over rated sessions after the client's first. Caught: ruptures flagged at their first or second"
    " rated session, of 100, at the cut with 5 false alarms of 100 stable sessions. False alarms: of 100"
    " stable sessions, at the threshold that a practice chooses itself for 5; each half of its clients is"
    " measured at the other half's. 2 to 8: of 100 such halves, those with 2 to 8 false alarms. Ratio: to the"
    " model before, ± standard error over clients. Worst: the kind of practice with the lowest ratio, or with"
    " the largest calibration error."
)


def comparison_table(comparisons: Sequence[YardstickComparison]) -> ResultTable:
    """Return one table of all yardsticks; each must hold exactly one model beside the model before."""
    before, now = comparisons[0].before.version, comparisons[0].others[0].figures.version
    same = " Both are the same model." if before == now else ""
    return ResultTable(
        f"{now} beside the model before, {before}",
        _COLUMNS,
        tuple(row for comparison in comparisons for row in comparison_rows(comparison)),
        _NOTE + same,
    )


def comparison_rows(comparison: YardstickComparison) -> list[tuple[str, ...]]:
    """Return the rows of one yardstick; the first one only names it."""
    before, paired = comparison.before, comparison.others[0]
    now = paired.figures
    of_what = "groups of clients" if comparison.one_practice else "practices"
    head = f"{comparison.yardstick} ({comparison.practices} {of_what})"
    rows: list[tuple[str, ...]] = [
        (head, "", "", "", ""),
        ("AUPRC", f"{before.auprc:.3f}", f"{now.auprc:.3f}", ratio_text(paired.auprc), _worst(paired)),
        ("caught", f"{100 * before.caught:.1f}", f"{100 * now.caught:.1f}", ratio_text(paired.caught), ""),
        ("false alarms", f"{before.own_false_alarms:.1f}", f"{now.own_false_alarms:.1f}", "", ""),
    ]
    if comparison.one_practice:
        # Two halves are too few for a share, and no risk can be right where the share of ruptures was chosen.
        return rows
    return [
        *rows,
        ("2 to 8", f"{100 * before.promise_kept:.0f}", f"{100 * now.promise_kept:.0f}", "", ""),
        ("calibration error", f"{before.calibration_error:.3f}", f"{now.calibration_error:.3f}", "", ""),
        (
            "the largest of them",
            f"{before.worst_calibration_error:.3f}",
            f"{now.worst_calibration_error:.3f}",
            "",
            now.worst_calibrated,
        ),
    ]


def ratio_text(ratio: Ratio) -> str:
    """Return a ratio with its standard error.

    >>> ratio_text(Ratio(1.0264, 0.0051))
    '1.026 ± 0.005'
    """
    return f"{ratio.value:.3f} ± {ratio.standard_error:.3f}"


def _worst(paired: PairedFigures) -> str:
    if not paired.by_kind:
        return ""
    return f"{ratio_text(paired.worst.ratio)}, {paired.worst.kind}"


def planted_words(comparison: YardstickComparison) -> str:
    """Return what a comparison on planted ruptures says of a practice's own ratings, as a paragraph."""
    before, paired = comparison.before, comparison.others[0]
    now = paired.figures
    low, high = NEAR_PROMISED
    alarms = now.own_false_alarms
    kept = "near what was asked for" if low <= alarms <= high else "not near what was asked for"
    return (
        f"{comparison.ruptures} falls of known depth were planted into copies of the courses of your"
        f" {comparison.clients} clients. Their ups and downs, gaps and declined forms are as you recorded"
        " them."
        f" When {PROMISED:g} of 100 stable sessions may be flagged, {now.version} catches"
        f" {100 * now.caught:.0f} of 100 planted ruptures at their first or second rated session"
        f" (the model before, {before.version}: {100 * before.caught:.0f})."
        " With a threshold chosen from your own ratings, without knowing what was planted,"
        f" {alarms:.1f} of 100 stable sessions are flagged, which is {kept}. The area under its"
        f" precision-recall curve is {now.auprc:.2f}, {_beside(paired.auprc)}. This shows how well"
        " the model tells a fall from your clients' usual variation. It does not show what ruptures look"
        " like, nor how often they occur."
    )


def _beside(ratio: Ratio) -> str:
    """Say how a ratio compares with 1, given its standard error."""
    if abs(ratio.value - 1) <= 2 * ratio.standard_error or ratio.value == 1:
        return f"no clear difference from the model before (ratio {ratio_text(ratio)})"
    better = "better" if ratio.value > 1 else "worse"
    return f"{better} than the model before (ratio {ratio_text(ratio)})"
