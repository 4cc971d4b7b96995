"""Measures how long a writer waits while large tables change beside it.

    python -m bench.growth_migration [--ratings 400000] [--keys 200000] [--parts layout keys] [--pause 0]
        [--set NAME=VALUE …]

`layout`: three tables get another layout. They are filled as they were before their keys began with the
practice; a writer writes one batch after another, as the detector of that version did, until the new layout
locks it out; `--pause` seconds pass between two of them.

`keys`: the keys of all other tables get the practice, each with `--keys` rows; the writer, of the version
before, goes on.
"""

import argparse
import time
from collections.abc import Sequence

import psycopg

from bench.growth_rows import sizes
from bench.report import report, report_batches
from services.runtime.postgres.migrations import migrate
from tests.support import keys_without_practice as keys
from tests.support.detector import tables_before_practice_first as before
from tests.support.postgres import fresh_database, postgres_server

ALONE = 200
"""Batches that are written before the migration begins."""


PARTS = ("layout", "keys")


def show_layout(server: str, ratings: int, pause_s: float) -> None:
    """Print how long batches took beside the copy of the three large tables."""
    dyads = ratings // before.SESSIONS
    with fresh_database(server) as url:
        migrate(url, "detector", before.VERSION)
        began = time.perf_counter()
        before.fill(url, dyads)
        report(ratings=dyads * before.SESSIONS, filled_in_s=round(time.perf_counter() - began, 1))
        alone = _alone(url, before.Writer(url, dyads))
        with before.Writer(url, dyads, first=ALONE, pause_s=pause_s) as writer:
            began = time.perf_counter()
            migrate(url, "detector", "0026")
            seconds = time.perf_counter() - began
            writer.wait_until_locked_out()
    _show_batches("detector", alone, writer.took_s)
    report(ratings=dyads * before.SESSIONS, migrated_in_s=round(seconds, 1))


def show_keys(server: str, rows: int) -> None:
    """Print how long batches took while keys got the practice, and what the tables take before and after."""
    for schema, version in keys.VERSIONS.items():
        with fresh_database(server) as url:
            migrate(url, schema, version)
            keys.fill(url, schema, rows)
            alone = _alone(url, keys.WRITERS[schema](url, rows))
            size_before = _bytes(url, schema)
            with keys.WRITERS[schema](url, rows, first=ALONE) as writer:
                began = time.perf_counter()
                migrate(url, schema, keys.CHANGED[schema])
                seconds = time.perf_counter() - began
            if writer.error is not None:
                raise writer.error
            _show_batches(schema, alone, writer.took_s)
            report(
                schema=schema,
                rows_a_table=rows,
                migrated_in_s=round(seconds, 1),
                mb_before=round(size_before / 1e6, 1),
                mb_after=round(_bytes(url, schema) / 1e6, 1),
            )


def _alone(url: str, writer: before.Writer) -> Sequence[float]:
    with psycopg.connect(url) as conn:
        while len(writer.took_s) < ALONE:
            writer.write(conn)
    return writer.took_s


def _bytes(url: str, schema: str) -> int:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM")
    return sum(int(str(size)) for of, _, _, size in sizes(url) if of == schema)


def _show_batches(schema: str, alone: Sequence[float], beside: Sequence[float]) -> None:
    for name, took in (("alone", alone), ("beside the migration", beside)):
        report_batches(took, schema=schema, writer=name)


def main() -> None:
    """Fill, migrate beside the writer, and print how long its batches took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=400_000)
    parser.add_argument("--keys", type=int, default=200_000, help="rows of each table")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two batches (layout)")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of PostgreSQL for this server"
    )
    wanted = parser.parse_args()
    settings = dict(one.split("=", 1) for one in wanted.set)
    with postgres_server(durable=True, settings=settings) as server:
        if "layout" in wanted.parts:
            show_layout(server, wanted.ratings, wanted.pause)
        if "keys" in wanted.parts:
            show_keys(server, wanted.keys)


if __name__ == "__main__":
    main()
