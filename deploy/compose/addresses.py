"""The stack's published ports in, where to look and what to do next out: the last words of a start."""

import os
import sys

TEXT = """
Rapport is up. Everything is on this machine only (127.0.0.1).

  send ratings     http://127.0.0.1:{ingest}        try it: http://127.0.0.1:{ingest}/docs
  ask for results  http://127.0.0.1:{results}
  inbox            http://127.0.0.1:{notifier}
  mail catcher     http://127.0.0.1:{mail}        nothing is sent on
  Prometheus       http://127.0.0.1:{prometheus}

  add a practice, and see its key once:   docker compose run --rm rapport practices add my-practice
  watch it work:                          docker compose --profile demo run --rm demo
  is everything in order?                 docker compose run --rm rapport doctor
"""
DOORS = {"ingest": 8080, "results": 8081, "notifier": 8082, "mail": 8083, "prometheus": 9090}


def main() -> int:
    """Print it."""
    ports = {name: os.environ.get(f"RAPPORT_{name.upper()}_PORT", port) for name, port in DOORS.items()}
    sys.stdout.write(TEXT.format(**ports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
