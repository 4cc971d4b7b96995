"""Writes the dashboards: python -m deploy.grafana.boards

Each panel is a title, a unit and queries; places and numbers follow from their order.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT = 24, 8
LIVE = 'topic!~".*history.*"'


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


FLOW = Board(
    "rapport-flow",
    "Rapport: the flow",
    (
        # What is promised, then the way of a rating from left to right.
        (
            Panel(
                "Budget of refused ratings left, three days",
                "percentunit",
                [("1 - rapport:ingest_ours:ratio_rate3d / 0.0005", "left")],
                "99.95 % of what ingest is sent is not refused by a fault of ours. Below 0 it is broken.",
                stat=True,
            ),
            Panel(
                "Budget of late changes left, three days",
                "percentunit",
                [("1 - rapport:told_late:ratio_rate3d / 0.001", "left")],
                "99.9 % of told changes and heartbeats are in the inbox within 60 s. Below 0 it is broken.",
                stat=True,
            ),
            Panel(
                "Accepted ratings without an outcome",
                "short",
                [("sum(max by (schema) (rapport_reconciliation_gap_records))", "records")],
                "0, or ratings are missing.",
                stat=True,
            ),
            Panel(
                "Seconds since the last heartbeat came through",
                "s",
                [("time() - min(rapport_heartbeat_minute_timestamp_seconds)", "oldest partition")],
                stat=True,
            ),
        ),
        (
            Panel(
                "Ratings accepted, per second",
                "reqps",
                [
                    ("sum(rate(rapport_ingest_accepted_total[5m]))", "accepted"),
                    ("sum by (reason) (rate(rapport_ingest_refused_total[5m])) > 0", "refused: {{reason}}"),
                ],
            ),
            Panel(
                "Records waiting",
                "short",
                [("sum by (job, topic) (rapport_consumer_lag_records)", "{{job}} {{topic}}")],
            ),
            Panel(
                "What became of them, per second",
                "reqps",
                [("sum by (outcome) (rate(rapport_ratings_total[5m]))", "{{outcome}}")],
            ),
        ),
        (
            Panel(
                "Changes of episodes, per hour",
                "short",
                [("sum by (change) (rate(rapport_episode_changes_total[1h])) * 3600", "{{change}}")],
            ),
            Panel(
                "Therapists told, or why not, per hour",
                "short",
                [
                    (
                        (
                            "sum by (channel, outcome, reason)"
                            ' (rate(rapport_decisions_total{reason!="heartbeat"}[1h])) * 3600 > 0'
                        ),
                        "{{channel}} {{outcome}} {{reason}}",
                    )
                ],
            ),
            Panel("From accepted to told", "s", quantiles("rapport_accepted_to_told_seconds", "15m")),
        ),
        (
            Panel("One batch, p99", "s", quantiles("rapport_batch_seconds", "5m", "job", "{{job}} ")[1:]),
            Panel(
                "Rejected, per hour",
                "short",
                [
                    (
                        "sum by (job, reason) (rate(rapport_rejections_total[1h])) * 3600 > 0",
                        "{{job}} {{reason}}",
                    )
                ],
            ),
            Panel(
                "Share that is refused by a fault of ours, or told late",
                "percentunit",
                [
                    ("rapport:ingest_ours:ratio_rate1h", "refused"),
                    ("rapport:told_late:ratio_rate1h", "told late"),
                ],
            ),
        ),
    ),
    "flow.json",
)

PRACTICES = Board(
    "rapport-practices",
    "Rapport: practices",
    (
        (
            Panel(
                "Practices that send regularly, and silent ones",
                "short",
                [
                    ("max(rapport_practices_expected)", "expected"),
                    ("max(rapport_practices_silent)", "silent"),
                ],
                "Counts only: `rapport doctor` names the silent ones.",
            ),
            Panel(
                "Courses of therapy with an open episode", "short", [("sum(rapport_episodes_open)", "open")]
            ),
            Panel(
                "Therapists told, per hour",
                "short",
                [("sum(rate(rapport_therapists_told_total[1h])) * 3600", "told")],
            ),
        ),
        (
            Panel(
                "Answers of therapists, per day",
                "short",
                [("sum by (answer) (rate(rapport_answers_total[1d])) * 86400", "{{answer}}")],
            ),
            Panel(
                "Declined and flagged, share of sessions over a day",
                "percentunit",
                [
                    (
                        (
                            'sum(rate(rapport_sessions_assessed_total{form="declined"}[1d]))'
                            " / sum(rate(rapport_sessions_assessed_total[1d]))"
                        ),
                        "declined",
                    ),
                    (
                        (
                            "sum(rate(rapport_sessions_flagged_total[1d]))"
                            " / sum(rate(rapport_sessions_assessed_total[1d]))"
                        ),
                        "flagged",
                    ),
                ],
            ),
            Panel(
                "What is wrong with what they send, per hour",
                "short",
                [
                    (
                        'sum by (reason) (rate(rapport_ingest_refused_total{whose="caller"}[1h])) * 3600 > 0',
                        "refused: {{reason}}",
                    ),
                    (
                        'sum by (reason) (rate(rapport_rejections_total{job="detector"}[1h])) * 3600 > 0',
                        "rejected later: {{reason}}",
                    ),
                ],
            ),
        ),
    ),
    "practices.json",
)

CHANNELS = Board(
    "rapport-channels",
    "Rapport: channels",
    (
        (
            Panel(
                "Messages",
                "short",
                [
                    (
                        "sum by (channel, state) (rate(rapport_delivery_attempts_total[1h])) * 3600",
                        "{{channel}} {{state}}, per hour",
                    ),
                    ("max by (channel) (rapport_deliveries_open)", "{{channel}} due"),
                ],
            ),
            Panel(
                "Overdue by more than a quarter of an hour",
                "short",
                [("max by (channel) (rapport_deliveries_overdue)", "{{channel}}")],
            ),
        ),
        (
            Panel(
                "From due to sent",
                "s",
                quantiles("rapport_delivery_seconds", "1h", "channel", "{{channel}} "),
            ),
            Panel(
                "Failed attempts, per hour",
                "short",
                [
                    (
                        "sum by (channel, reason) (rate(rapport_delivery_failures_total[1h])) * 3600 > 0",
                        "{{channel}} {{reason}}",
                    )
                ],
            ),
        ),
    ),
    "channels.json",
)

INFRASTRUCTURE = Board(
    "rapport-infrastructure",
    "Rapport: infrastructure",
    (
        (
            Panel("Ready", "short", [("rapport_ready", "{{job}} {{instance}}")]),
            Panel(
                "Checks that are bad",
                "short",
                [("rapport_check_good == 0", "{{job}} {{check}}")],
            ),
            Panel(
                "Work done again, per second",
                "short",
                [("sum by (job, reason) (rate(rapport_retries_total[5m]))", "{{job}} {{reason}}")],
            ),
        ),
        (
            Panel(
                "Memory",
                "bytes",
                [('process_resident_memory_bytes{job=~"ingest|detector|notifier"}', "{{job}} {{instance}}")],
            ),
            Panel(
                "Processor time, cores",
                "short",
                [
                    (
                        'rate(process_cpu_seconds_total{job=~"ingest|detector|notifier"}[5m])',
                        "{{job}} {{instance}}",
                    )
                ],
            ),
            Panel(
                "Event loop late, p99",
                "s",
                quantiles("rapport_event_loop_lag_seconds", "5m", "job", "{{job}} ")[1:],
            ),
        ),
        (
            Panel(
                "Bytes of the database",
                "bytes",
                [("max by (schema) (rapport_database_bytes)", "{{schema}}")],
            ),
            Panel(
                "Hours since the last backup",
                "h",
                [
                    ("(time() - max(rapport_backup_last_success_timestamp_seconds)) / 3600", "copy"),
                    ("(time() - max(rapport_wal_archived_timestamp_seconds)) / 3600", "log"),
                ],
                "Nothing where none was ever made.",
            ),
            Panel(
                "Migrations missing",
                "short",
                [("max by (schema) (rapport_migration_pending)", "{{schema}}")],
            ),
        ),
        (
            Panel(
                "One transaction, and publishing what it led to, p99",
                "s",
                [
                    *quantiles("rapport_transaction_seconds", "5m", "job", "{{job}} transaction ")[1:],
                    *quantiles("rapport_publish_seconds", "5m", "job", "{{job}} publish ")[1:],
                ],
            ),
            Panel(
                "Waiting for a connection to PostgreSQL",
                "short",
                [("sum by (job, pool) (rapport_database_pool_waiting)", "{{job}} {{pool}}")],
            ),
            Panel(
                "Rows that Kafka has not acknowledged",
                "short",
                [("max by (schema) (rapport_outbox_rows)", "{{schema}}")],
            ),
        ),
    ),
    "infrastructure.json",
)

MODEL = Board(
    "rapport-model",
    "Rapport: the model",
    (
        (
            Panel(
                "Drift from the training (population stability index)",
                "short",
                [("avg by (quantity) (rapport_drift_stability_index)", "{{quantity}}")],
                "ModelDrift from .25 on, for six hours.",
            ),
            Panel(
                "Flagged, share of rated sessions over a day",
                "percentunit",
                [
                    (
                        (
                            "sum(rate(rapport_sessions_flagged_total[1d]))"
                            ' / sum(rate(rapport_sessions_assessed_total{form="rated"}[1d]))'
                        ),
                        "flagged",
                    )
                ],
            ),
        ),
        (
            Panel("Risks of sessions", "percentunit", quantiles("rapport_session_risk", "1h")),
            Panel(
                "Heartbeats with another risk than the model's, per minute",
                "short",
                [
                    ("sum(rate(rapport_heartbeats_scored_total[5m])) * 60", "scored"),
                    ("sum(rate(rapport_heartbeats_off_total[5m])) * 60", "off"),
                ],
            ),
        ),
    ),
    "model.json",
)
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
