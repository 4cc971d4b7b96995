"""Asks a live Prometheus everything that the dashboards ask, and draws the answers.

    python -m tests.support.observed_boards docs/dashboards [--minutes 6]

It runs the three services with the shipped rules on simulated ratings. The pictures are drawn by matplotlib
and not by Grafana: they show what Prometheus answered, panel by panel, in the places of the dashboards.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any

import httpx
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from deploy.grafana.boards import BOARDS
from deploy.grafana.panels import Board, Panel
from services.cli.demo.input_ratings import NetworkSize, simulate_ratings
from tests.support.backend import embedded_backend
from tests.support.monitoring import Monitoring, monitoring
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import running_stack

STEP_S = 15
MAYBE_NOTHING = (" > 0", " == 0")
"""What a query ends with that asks for faults, of which there may be none."""
OF_THE_MACHINE = "rapport:disk_free:"
"""What the services do not export: nothing here watches the machine."""
Lines = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class LiveStack:
    """Services at work, and the Prometheus that watches them."""

    watched: Monitoring
    began: float

    def lines(self, query: str, legend: str) -> Lines:
        """Return what a query answers since the beginning, by legend.

        Raises:
            httpx.HTTPStatusError: it is no query.
        """
        answer = httpx.get(
            f"{self.watched.prometheus_url}/api/v1/query_range",
            params={"query": query, "start": self.began, "end": time.time(), "step": STEP_S},
            trust_env=False,
            timeout=30,
        ).raise_for_status()
        return {
            _legend(legend, series["metric"]): [(at, float(value)) for at, value in series["values"]]
            for series in answer.json()["data"]["result"]
        }


def _legend(template: str, labels: Mapping[str, str]) -> str:
    for name in ("job", "instance", "topic", "outcome", "reason", "change", "channel", "state", "answer"):
        template = template.replace("{{" + name + "}}", labels.get(name, ""))
    for name in ("schema", "check", "pool", "quantity", "disk"):
        template = template.replace("{{" + name + "}}", labels.get(name, ""))
    return " ".join(template.split())


@contextmanager
def live_stack(minutes: float) -> Iterator[LiveStack]:
    """Run everything, send a simulated network's ratings over these minutes, and yield it then."""
    with (
        tempfile.TemporaryDirectory(prefix="rapport-boards-") as name,
        postgres_server() as server,
        fresh_database(server) as database,
        embedded_backend() as backend,
    ):
        folder = Path(name)
        size = NetworkSize(clients=60, sessions=12, practices=1, therapists=8)
        ratings = [one.body for one in simulate_ratings(size, 5, folder)[0]]
        with running_stack(backend, database, folder / "home") as stack:
            targets = {job: [url] for job, url in stack.supervisor.management_urls.items()}
            with monitoring(targets, folder) as watched:
                for therapist in sorted({str(one["therapist_id"]) for one in ratings}):
                    stack.client.put_therapist("north", therapist, {"address": f"{therapist}@north.example"})
                live = LiveStack(watched, time.time())
                stack.send("north", ratings, rate=len(ratings) / (60 * minutes))
                time.sleep(2 * STEP_S)
                yield live


def unanswered(live: LiveStack) -> list[str]:
    """Return the queries of all dashboards to which nothing is answered although something should be."""
    queries = [query for board in BOARDS for row in board.rows for panel in row for query, _ in panel.queries]
    expected = [one for one in queries if OF_THE_MACHINE not in one]
    return [one for one in expected if not live.lines(one, "") and not one.endswith(MAYBE_NOTHING)]


def draw(board: Board, live: LiveStack, file: Path) -> None:
    """Draw a dashboard."""
    heights = [1 if all(panel.stat for panel in row) else 2.4 for row in board.rows]
    figure = Figure(figsize=(15, 1.25 * sum(heights)), dpi=80, layout="constrained")
    parts = figure.subfigures(len(board.rows), 1, squeeze=False, height_ratios=heights)
    for row, (part,) in zip(board.rows, parts, strict=True):
        for panel, axes in zip(row, part.subplots(1, len(row), squeeze=False)[0], strict=True):
            _draw_panel(panel, live, axes)
    figure.suptitle(board.title)
    figure.savefig(file)


def _draw_panel(panel: Panel, live: LiveStack, axes: Axes) -> None:
    answers: dict[str, Any] = {}
    for query, legend in panel.queries:
        answers |= live.lines(query, legend)
    axes.set_title(panel.title, fontsize=9)
    if panel.stat:
        newest = next((points[-1][1] for points in answers.values()), nan)
        shown = f"{newest:.0%}" if panel.unit == "percentunit" else f"{newest:.3g}"
        axes.text(0.5, 0.4, shown, ha="center", va="center", fontsize=22)
        axes.set_axis_off()
        return
    for name, points in sorted(answers.items()):
        axes.plot(
            date2num([datetime.fromtimestamp(at, UTC) for at, _ in points]),
            [y for _, y in points],
            label=name,
        )
    locator = AutoDateLocator(maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(labelsize=7)
    axes.set_ylabel(
        {"percentunit": "share", "reqps": "1/s", "short": ""}.get(panel.unit, panel.unit), fontsize=7
    )
    axes.set_ylim(bottom=0)
    if answers:
        axes.legend(fontsize=6, loc="upper left", ncols=1 + len(answers) // 7)
    else:
        axes.text(0.5, 0.5, "nothing", ha="center", va="center", transform=axes.transAxes, fontsize=8)


def main() -> None:
    """Draw every dashboard into a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=6)
    wanted = parser.parse_args()
    wanted.folder.mkdir(exist_ok=True)
    with live_stack(wanted.minutes) as live:
        assert not (missing := unanswered(live)), missing
        for board in BOARDS:
            draw(board, live, wanted.folder / f"{Path(board.file).stem}.png")


if __name__ == "__main__":
    main()
