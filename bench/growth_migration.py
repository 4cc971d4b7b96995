"""Measures how long a writer waits while large tables get another layout beside it.

    python -m bench.growth_migration [--ratings 400000]

The tables are filled as they were before their keys began with the practice; a writer writes one batch after
another, as the detector of that version did, until the new layout locks it out.
"""

import argparse
import json
import statistics
import time

import psycopg

from services.runtime.postgres.migrations import migrate
from tests.support.detector import tables_before_practice_first as before
from tests.support.postgres import fresh_database, postgres_server

ALONE = 200
"""Batches that are written before the migration begins."""


def main() -> None:
    """Fill, migrate beside the writer, and print how long its batches took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=400_000)
    dyads = parser.parse_args().ratings // before.SESSIONS
    with postgres_server(durable=True) as server, fresh_database(server) as url:
        migrate(url, "detector", before.VERSION)
        before.fill(url, dyads)
        alone = before.Writer(url, dyads)
        with psycopg.connect(url) as conn:
            while len(alone.took_s) < ALONE:
                alone.write(conn)
        with before.Writer(url, dyads, first=ALONE) as writer:
            began = time.perf_counter()
            migrate(url, "detector", "0026")
            seconds = time.perf_counter() - began
            writer.wait_until_locked_out()
    for name, took in (("alone", alone.took_s), ("beside the migration", writer.took_s)):
        numbers = {
            "batches": len(took),
            "median_ms": 1e3 * statistics.median(took),
            "longest_ms": 1e3 * max(took),
        }
        print(json.dumps({"writer": name, **{what: round(one, 1) for what, one in numbers.items()}}))
    print(json.dumps({"ratings": dyads * before.SESSIONS, "migrated_in_s": round(seconds, 1)}))


if __name__ == "__main__":
    main()
