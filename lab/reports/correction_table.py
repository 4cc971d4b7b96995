"""Makes the table that compares a corrected model with the model in use, on held-out dyads."""

from rich.table import Table

from lab.training.label_correction import LabelCorrection
from services.runtime.process.plain_table import plain_table


def correction_table(correction: LabelCorrection, threshold: float) -> Table:
    """Return the table; `threshold` is that of the model in use."""
    table = plain_table(
        f"{correction.labels} answers of {correction.therapists} therapists, {correction.yes} saw a rupture;"
        " each is compared with a correction that was fitted without its dyad"
    )
    for title in ("", "log loss", "Brier score", "mean risk", "saw a rupture", "threshold"):
        table.add_column(title, justify="right" if title else "left")
    rupture_share = f"{correction.yes / correction.labels:.3f}"
    for name, fit, cut in (
        ("in use", correction.before, threshold),
        ("candidate", correction.after, correction.threshold),
    ):
        figures = (fit.log_loss, fit.brier, fit.mean_risk)
        table.add_row(name, *(f"{value:.3f}" for value in figures), rupture_share, f"{cut:.3f}")
    mean, low, high = correction.gain
    recalibration = correction.recalibration
    table.caption = (
        f"The log loss decreases by {mean:.4f} (90 of 100 draws of dyads: {low:.4f} to {high:.4f})."
        f" Correction: log-odds times {recalibration.slope:.2f}, plus {recalibration.intercept:.2f}."
    )
    return table
