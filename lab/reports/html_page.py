"""Renders result tables and pictures as one self-contained HTML page."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from lab.reports.tables import ResultTable

_PACKAGES = ("lab.reports", "services.detector.preview")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a page."""

    alternative: str
    """What it shows, for those who cannot see it."""
    png: bytes

    @property
    def base64(self) -> str:
        """The PNG as text, as a page embeds it."""
        return b64encode(self.png).decode()


def render_page(
    version: str, about: Sequence[str], tables: Sequence[ResultTable], pictures: Sequence[Picture]
) -> str:
    """Return the page.

    Args:
        version: of the model.
        about: paragraphs about the data that was measured on.
        tables: in the order of the page.
        pictures: in the order of the page, before the tables.
    """
    environment = Environment(
        # The page has the style of `rapport try`, which a practice reads too.
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in _PACKAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("evaluation.html").render(
        version=version, about=about, tables=tables, pictures=pictures
    )
