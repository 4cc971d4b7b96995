"""The dashboards of practices, channels, infrastructure and model."""

from deploy.grafana.panels import Board, Panel, quantiles

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
                "Free on disks, share",
                "percentunit",
                [("bottomk(10, rapport:disk_free:ratio)", "{{disk}}")],
                "The ten with the least. Nothing unless node_exporter or the kubelet is scraped.",
            ),
            Panel(
                "Days until a disk is full, at the pace of a day",
                "d",
                [
                    (
                        "rapport:disk_free:bytes / (-deriv(rapport:disk_free:bytes[1d]) > 0) / 86400 < 60",
                        "{{disk}}",
                    )
                ],
                "Only those that will be within 60 days.",
            ),
        ),
        (
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
