"""Renders result tables and a plot as one self-contained HTML page."""

from base64 import b64encode
from collections.abc import Sequence

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from lab.reports.tables import ResultTable

_PACKAGES = ("lab.reports", "services.detector.preview")


def render_page(version: str, about: str, tables: Sequence[ResultTable], plot: bytes | None) -> str:
    """Return the page.

    Args:
        version: of the model.
        about: a sentence about the data that was measured on.
        tables: in the order of the page.
        plot: as PNG; None when there is none.
    """
    environment = Environment(
        # The page has the style of `rapport try`, which a practice reads too.
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in _PACKAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    encoded = None if plot is None else b64encode(plot).decode()
    return environment.get_template("evaluation.html").render(
        version=version, about=about, tables=tables, plot=encoded
    )
