"""Compares a model with the model before on the yardsticks, and writes the result as JSON."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from lab.evaluation.paired_comparison import MODEL_BEFORE, YardstickComparison, compare
from lab.evaluation.yardsticks import Yardstick
from lab.reports.comparison_plots import comparison_picture
from lab.reports.html_page import Picture
from lab.reports.plots import MatplotlibMissing
from services.detector.domain.detector import Detector
from services.detector.model.artefact import load
from services.detector.model.manifest import UnusableModel
from services.runtime.process.progress_bar import step_counter


def compare_models(
    detector: Detector, before: Path | None, yardsticks: Sequence[Yardstick]
) -> list[YardstickComparison]:
    """Compare a model with the one in the folder `before`, by default the kept one.

    If the kept model cannot be loaded by this version of the program, a line says so and nothing is compared.

    Raises:
        UnusableModel: the model in the folder that was given cannot be loaded.
    """
    try:
        earlier = load(before or MODEL_BEFORE)
    except UnusableModel as error:
        if before is not None:
            raise
        typer.secho(f"Not compared with the model before: {error}", err=True, fg="yellow")
        return []
    with step_counter("comparing", sum(yardstick.practices for yardstick in yardsticks)) as progress:
        return compare([earlier, detector], yardsticks, progress)


def pictures_of(comparisons: Sequence[YardstickComparison]) -> list[Picture]:
    """Return a picture of each yardstick; none, and a line on standard error, without matplotlib."""
    try:
        return [comparison_picture(comparison) for comparison in comparisons]
    except MatplotlibMissing as error:
        typer.secho(str(error), err=True, fg="yellow")
        return []


def write_json(comparisons: Sequence[YardstickComparison], file: Path) -> None:
    """Write comparisons as JSON; a figure that could not be computed (NaN) is null."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(comparisons), indent=2) + b"\n")
