"""Tables and a picture in, one HTML page out that needs nothing else."""

from base64 import b64encode
from collections.abc import Sequence

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from lab.reports.tables import Grid

_PACKAGES = ("lab.reports", "services.detector.preview")


def page(version: str, about: str, grids: Sequence[Grid], picture: bytes | None) -> str:
    """The page; `about` says in a sentence what was measured on."""
    environment = Environment(
        # The style is that of the other page that a practice reads.
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in _PACKAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    encoded = None if picture is None else b64encode(picture).decode()
    return environment.get_template("measured.html").render(
        version=version, about=about, grids=grids, picture=encoded
    )
