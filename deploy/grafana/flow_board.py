"""The dashboard of the flow: what is promised, then the way of a rating from left to right."""

from deploy.grafana.panels import Board, Panel, quantiles

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
