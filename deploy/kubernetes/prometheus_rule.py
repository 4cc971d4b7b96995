"""Writes the recording rules and alerts of `deploy/prometheus/` as a PrometheusRule.

python3 -m deploy.kubernetes.prometheus_rule
"""

import textwrap
from pathlib import Path

RULES = Path(__file__).resolve().parents[1] / "prometheus"
SOURCES = ("promises.yml", "disks.yml", "alerts.yml")
TARGET = Path(__file__).resolve().parent / "prometheus" / "prometheus-rule.yaml"
HEAD = f"""\
# Written by `python3 -m deploy.kubernetes.prometheus_rule` from {", ".join(SOURCES)} in deploy/prometheus.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rapport
  labels: {{app.kubernetes.io/part-of: rapport}}
spec:
  groups:
"""


def manifest() -> str:
    """Return the manifest; comments inside the groups are kept."""
    groups = [(RULES / source).read_text(encoding="utf-8").partition("\ngroups:\n")[2] for source in SOURCES]
    return HEAD + textwrap.indent("".join(groups), "  ")


if __name__ == "__main__":
    TARGET.write_text(manifest(), encoding="utf-8")
