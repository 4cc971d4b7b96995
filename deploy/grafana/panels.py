"""Defines what a dashboard is made of: rows of panels, each a title, a unit and queries."""

from collections.abc import Sequence
from dataclasses import dataclass

LIVE = 'topic!~".*history.*"'
"""Leaves out the topic of histories, which waits for the others."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: each query with the legend of its lines."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    note: str = ""
    stat: bool = False
    """Whether it shows the newest value, large, instead of lines."""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: rows of panels, each row as wide as the page."""

    uid: str
    title: str
    rows: Sequence[Sequence[Panel]]
    file: str


def quantiles(metric: str, window: str, by: str = "", legend: str = "") -> list[tuple[str, str]]:
    """Return the queries of the median and the 99th percentile of a histogram, `by` labels."""
    labels = f"{by}, le" if by else "le"
    return [
        (
            f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket[{window}])))",
            f"{legend}p{round(quantile * 100)}",
        )
        for quantile in (0.5, 0.99)
    ]
