"""Prints the addresses of a stack and the next commands."""

import os
import sys

TEXT = """
Once it is up, Rapport is reachable from this machine only (127.0.0.1).

  send ratings     http://127.0.0.1:{ingest}        try it: http://127.0.0.1:{ingest_management}/docs
  read results     http://127.0.0.1:{results}
  inbox            http://127.0.0.1:{notifier}
  mail catcher     http://127.0.0.1:{mail}        no mail is sent on
  Prometheus       http://127.0.0.1:{prometheus}        alerts: http://127.0.0.1:{alertmanager}

  add a practice and show its key:        docker compose run --rm rapport practices add my-practice
  run the demonstration:                  docker compose --profile demo run --rm demo
  check the installation:                 docker compose run --rm --no-deps rapport doctor
"""
PORTS = {
    "ingest": 8080,
    "ingest_management": 8090,
    "results": 8081,
    "notifier": 8082,
    "mail": 8083,
    "prometheus": 9090,
    "alertmanager": 9093,
}


def main() -> int:
    """Print the text with the published ports."""
    ports = {name: os.environ.get(f"RAPPORT_{name.upper()}_PORT", port) for name, port in PORTS.items()}
    sys.stdout.write(TEXT.format(**ports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
