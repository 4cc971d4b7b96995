"""Writes the dashboards: python -m deploy.grafana.boards

Places and numbers of panels follow from their order.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.grafana.flow_board import FLOW
from deploy.grafana.panels import Board
from deploy.grafana.parts_boards import CHANNELS, INFRASTRUCTURE, MODEL, PRACTICES

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT = 24, 8
BOARDS = (FLOW, PRACTICES, CHANNELS, INFRASTRUCTURE, MODEL)


def _placed(board: Board) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in board.rows:
        height = HEIGHT // 2 if all(panel.stat for panel in row) else HEIGHT
        width = WIDTH // len(row)
        for place, panel in enumerate(row):
            number += 1
            yield {
                "id": number,
                "title": panel.title,
                "description": panel.note,
                "type": "stat" if panel.stat else "timeseries",
                "datasource": SOURCE,
                "gridPos": {"h": height, "w": width, "x": place * width, "y": top},
                "fieldConfig": {
                    "defaults": {"unit": panel.unit} | ({} if panel.stat else {"min": 0}),
                    "overrides": [],
                },
                "targets": [
                    {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend}
                    for at, (query, legend) in enumerate(panel.queries)
                ],
            }
        top += height


def text_of(board: Board) -> str:
    """Return a dashboard as Grafana reads it."""
    whole = {
        "uid": board.uid,
        "title": board.title,
        "tags": ["rapport"],
        "timezone": "browser",
        "schemaVersion": 41,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {
                "title": "Rapport",
                "type": "dashboards",
                "tags": ["rapport"],
                "asDropdown": False,
                "keepTime": True,
            }
        ],
        "panels": list(_placed(board)),
    }
    return json.dumps(whole, indent=2) + "\n"


def main() -> None:
    """Write every dashboard."""
    for board in BOARDS:
        (FOLDER / board.file).write_text(text_of(board), encoding="utf-8")


if __name__ == "__main__":
    main()
