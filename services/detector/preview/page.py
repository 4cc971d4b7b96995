"""What was found in, one HTML page out that needs nothing else: no script, no request, no other file."""

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.detector.preview.charts import BOTTOM, LEFT, RIGHT, RULE, TOP, WIDTH, Weeks
from services.detector.preview.columns import Columns
from services.detector.preview.counts import Figures
from services.detector.preview.episodes import Episode
from services.detector.preview.questionnaire import Questionnaire
from services.detector.preview.ratings import BadCell, Rows
from services.detector.preview.table import NAMES, Table

MOST_EPISODES = 300
MOST_BAD = 200
SURENESS = {"told": "you said so", "sure": "sure", "likely": "likely", "guess": "a guess: please check"}


@dataclass(frozen=True, slots=True)
class Contents:
    """All that the page shows."""

    table: Table
    columns: Columns
    asked: Questionnaire
    rows: Rows
    bad: tuple[BadCell, ...]
    sessions: int
    """Sessions in the courses; the rest of the good rows are corrections of others."""
    figures: Figures
    weeks: Weeks
    episodes: tuple[Episode, ...]
    model_version: str


def render(contents: Contents) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("services.detector.preview", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    columns = contents.columns
    unsure = [one for one in columns.found if one.sure == "guess"]
    return environment.get_template("page.html").render(
        c=contents,
        figures=contents.figures,
        unsure=bool(unsure) or "guess" in {columns.items_sure, contents.asked.sure},
        sureness=SURENESS,
        separator=NAMES[contents.table.separator],
        episodes=contents.episodes[:MOST_EPISODES],
        bad=contents.bad[:MOST_BAD],
        bad_rows=len({one.row for one in contents.bad}),
        of_hundred=_of_hundred,
        per=_per,
        box={"width": WIDTH, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM, "rule": RULE},
    )


def _per(count: int, of: int) -> str:
    """A count per unit, with one decimal; `0.04` where one would say nothing."""
    share = count / max(of, 1)
    return f"{share:.1f}" if share >= 0.095 or not count else f"{share:.2f}"


def _of_hundred(count: int, of: int) -> str:
    """How often; with one decimal where whole ones would say too little."""
    share = 100 * count / max(of, 1)
    digits = 0 if share >= 10 or not count else 1
    return f"{share:.{digits}f} of 100 rated sessions"
