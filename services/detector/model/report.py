"""Tables and a picture in, one HTML page out that needs nothing else."""

from base64 import b64encode
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.detector.model.tables import Grid


def page(version: str, about: str, grids: Sequence[Grid], picture: bytes | None) -> str:
    """The page; `about` says in a sentence what was measured on."""
    environment = Environment(
        loader=PackageLoader("services.detector.model", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    encoded = None if picture is None else b64encode(picture).decode()
    return environment.get_template("evaluation.html").render(
        version=version, about=about, grids=grids, picture=encoded
    )
