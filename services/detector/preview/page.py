"""Renders the preview as one self-contained HTML page without scripts or requests."""

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas.rating_tables.description import CERTAINTY_WORDS
from schemas.rating_tables.reading import TableReading
from services.detector.preview.findings import Findings
from services.detector.preview.observed import ObservedContents
from services.detector.preview.weeks_chart import LEFT, RIGHT, WIDTH

MAX_EPISODES = 300
MAX_INVALID = 200
_FEW_SESSIONS = 0.7
_FEW_EACH = 1.5
_MANY_CLIENTS = 5


@dataclass(frozen=True, slots=True)
class PreviewContents(Findings):
    """Everything that the page shows of a file."""

    reading: TableReading

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in the whole table makes it unlikely that it was read as it was meant."""
        valid, clients = self.reading.ratings.of_alliance, self.figures.total.clients
        said = []
        if clients > 1 and self.sessions < _FEW_SESSIONS * valid:
            said.append(
                f"the {valid} valid rows make only {self.sessions} sessions; the others repeat or correct"
                " one, so the column of the sessions may be another"
            )
        if clients >= _MANY_CLIENTS and self.sessions < _FEW_EACH * clients:
            said.append(
                f"{clients} clients have {self.sessions} sessions in all; without several sessions of one"
                " client nothing can be noticed, so the column of the clients may be another, or a row holds"
                " several sessions"
            )
        return tuple(said)


def render(contents: PreviewContents | ObservedContents) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=PackageLoader("services.detector.preview", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    file = contents if isinstance(contents, PreviewContents) else None
    whole = [one.episode for one in contents.chosen]
    return environment.get_template("page.html").render(
        c=contents,
        figures=contents.figures,
        file=file,
        file_row=file.reading.ratings.file_row if file is not None else None,
        observed=contents if isinstance(contents, ObservedContents) else None,
        has_guesses=file is not None and file.reading.has_guesses,
        certainty_words=CERTAINTY_WORDS,
        others=[one for one in contents.episodes if all(one is not shown for shown in whole)][:MAX_EPISODES],
        invalid=contents.invalid[:MAX_INVALID],
        invalid_rows=len({cell.row for cell in contents.invalid}),
        per_hundred=_per_hundred,
        average=_average,
        rate=_rate,
        box={"width": WIDTH, "left": LEFT, "right": RIGHT},
    )


def _average(count: int, of: int) -> str:
    """Return a count per unit with one decimal."""
    return f"{count / max(of, 1):.1f}"


def _rate(count: int, of: int) -> str:
    """Return a count per unit with one decimal, or two where one would round to 0.0."""
    share = count / max(of, 1)
    return f"{share:.1f}" if share >= 0.095 or not count else f"{share:.2f}"


def _per_hundred(count: int, of: int) -> str:
    """Return how many per 100 rated sessions a count is; below 10 with one decimal."""
    share = 100 * count / max(of, 1)
    digits = 0 if share >= 10 or not count else 1
    return f"{share:.{digits}f} per 100 rated sessions"
