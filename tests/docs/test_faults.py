"""Compares docs/faults.md with the rows that exist and the results that are kept."""

from tests.support.faults import page
from tests.support.faults.rows import FaultRow, RowResult, Size, kept_results


def test_the_page_names_every_row_and_no_figure_was_typed_by_hand() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


def test_every_kept_result_is_of_a_row_that_exists() -> None:
    assert kept_results().keys() - {row.test for row in page.all_rows()} == set()


def test_no_kept_result_is_a_failure() -> None:
    kept = kept_results()
    assert [
        test for test, sizes in kept.items() if any("FAILED" in one.result for one in sizes.values())
    ] == []


def test_a_row_without_a_result_at_full_size_says_so() -> None:
    row = FaultRow("test_x", "It breaks", "Kafka", 400, 20_000, 10)
    scaled = RowResult("2026-11-28", "scaled", "3 kills", 4.0)

    assert _table(row, {}) == ["| It breaks | Kafka | not yet run to be kept | | |"]
    assert _table(row, {"scaled": scaled}) == [
        "| It breaks | Kafka | scaled, 400 ratings; not yet met at full size | 2026-11-28: 3 kills | 4.0 s |"
    ]
    full = RowResult("2026-11-28", "full", "200 kills, 0 lost")
    assert _table(row, {"full": full, "scaled": scaled}) == [
        "| It breaks | Kafka | full, 20,000 ratings | 2026-11-28: 200 kills, 0 lost |  |",
        "| It breaks | Kafka | scaled, 400 ratings | 2026-11-28: 3 kills | 4.0 s |",
    ]


def test_a_row_that_ci_does_not_run_says_so() -> None:
    row = FaultRow("test_x", "It breaks", "Kafka", 400, 20_000, 10, in_ci=False)
    scaled = RowResult("2026-11-28", "scaled", "3 kills", 4.0)

    (line,) = _table(row, {"scaled": scaled})
    assert line.startswith("| It breaks | Kafka | scaled, 400 ratings; not in CI; not yet met at full size |")


def _table(row: FaultRow, sizes: dict[str, RowResult]) -> list[str]:
    return [line for line in page.lines([row], {row.test: sizes}) if line.startswith("| It breaks")]


def test_a_row_has_the_size_that_is_asked_for() -> None:
    row = FaultRow("test_x", "Something breaks", "Kafka", 400, 20_000, 10)

    assert (row.ratings(Size(is_full=False)), row.ratings(Size(is_full=True))) == (400, 20_000)
