"""Dates are read as programs and people write them, and two columns of date and time are joined."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.date_cells import guess_dates, has_zone
from schemas.rating_tables.reading import read_ratings_table

NINE = datetime(2025, 1, 7, 9, tzinfo=UTC)
DAY = datetime(2025, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2025-01-07 09:00 UTC", NINE),
        ("2025-01-07T09:00:00.000Z", NINE),
        ("2025/01/07 9:00:00 AM GMT+1", NINE - timedelta(hours=1)),
        ("2025-01-07 09:00:00+0100", NINE - timedelta(hours=1)),
        ("Tue Jan 07 2025 09:00:00 GMT-0330 (NST)", NINE + timedelta(hours=3, minutes=30)),
        ("1736240400", NINE),
        ("1736240400000", NINE),
    ],
)
def test_a_zone_is_read(cell: str, moment: datetime) -> None:
    dates = guess_dates([cell])
    assert (dates.read(cell), has_zone(cell)) == (moment, True)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("7. Januar 2025", DAY),
        ("Dienstag, 7. Januar 2025", DAY),
        ("Di., 07.01.2025, 09:00 Uhr", NINE),
        ("7 janv. 2025", DAY),
        ("mardi 7 janvier 2025", DAY),
        ("7 de enero de 2025", DAY),
        ("7 gennaio 2025", DAY),
        ("7 jan. 2025", DAY),
        ("7-Jan-25", DAY),
        ("07-JAN-2025", DAY),
        ("January 7, 2025 9:00 AM", NINE),
        ("Tuesday, January 7, 2025", DAY),
        ("Jan 7, 2025, 9:00:00 a.m.", NINE),
        ("13/01/2025 09:00:00.000", NINE + timedelta(days=6)),
        ("45664", DAY),
        ("45664.375", NINE),
    ],
)
def test_a_date_without_zone_is_read_in_utc(cell: str, moment: datetime) -> None:
    assert (guess_dates([cell]).read(cell), has_zone(cell)) == (moment, False)


@pytest.mark.parametrize(
    "cell", ["Maria 3", "7 Brumaire 2025", "3", "12:30", "99999999999", "2025-13-01", ""]
)
def test_what_is_no_date_is_none(cell: str) -> None:
    assert guess_dates([cell]).fits == 0


@pytest.mark.parametrize("zone", ["GMT+30", "GMT+15", "GMT+14:99", "+9999", "UTC-14:30"])
def test_a_zone_that_does_not_exist_makes_no_date(zone: str) -> None:
    assert guess_dates([f"2025-01-07 09:00 {zone}"]).fits == 0


@pytest.mark.parametrize("clock", ["24:00", "9:60", "13:00 PM", "0:30 AM"])
def test_a_time_of_day_that_does_not_exist_makes_no_date(clock: str) -> None:
    assert guess_dates([f"07.01.2025 {clock}"]).fits == 0


def test_noon_and_midnight_have_the_hour_twelve_before_and_after_noon() -> None:
    dates = guess_dates(["01/13/2025 12:00 PM", "01/13/2025 12:00 AM"])
    day = DAY + timedelta(days=6)
    assert [dates.read(f"01/13/2025 12:00 {half}") for half in ("PM", "am")] == [day.replace(hour=12), day]


@pytest.mark.parametrize(
    ("day", "clock"),
    [
        ("2025-01-07", "09:00"),
        ("07.01.2025", "9:00"),
        ("2025-01-07 00:00:00", "09:00:00"),
        ("1/7/2025", "9:00 AM"),
        ("2025-01-07", "09:00:00+01:00"),
        ("2025-01-07T00:00:00+01:00", "09:00"),
        ("2025-01-07 00:00 UTC", "09:00:00+01:00"),
    ],
)
@pytest.mark.parametrize("name", ["Time", "Uhrzeit", "session_time"])
def test_date_and_time_in_two_columns_are_joined(
    day: str, clock: str, name: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "own.csv"
    later = day.replace("07", "28").replace("/7/", "/28/")
    rows = [f"K1;{day};{clock};9;9;8;9", f"K1;{later};{clock};9;9;8;9", f"K1;{later};;7;7;8;9"]
    file.write_text("\n".join([f"Client;Date;{name};SRS1;SRS2;SRS3;SRS4", *rows]))
    reading = read_ratings_table(file, catalogue)
    assert reading.columns.get("session_time") == name
    zone = timezone(timedelta(hours=1)) if "+" in day + clock else UTC
    first, second = NINE.replace(tzinfo=zone), datetime(2025, 1, 28, 9, tzinfo=zone)
    midnight = datetime(2025, 1, 28, tzinfo=zone if "+" in day else UTC)
    assert reading.ratings.moments == {2: first, 3: second, 4: midnight}


def test_the_time_of_day_beside_the_date_counts(catalogue: Catalogue, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = [f"K1,2025-01-{day:02} 09:00,10:30,9,9,8,9" for day in (7, 14)]
    file.write_text("\n".join(["Client,Date,Time,SRS1,SRS2,SRS3,SRS4", *rows]))
    assert read_ratings_table(file, catalogue).ratings.moments[2] == NINE


def test_a_column_of_durations_is_no_time_of_day(catalogue: Catalogue, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "Client,Date,Time,SRS1,SRS2,SRS3,SRS4\nK1,2025-01-07,50,9,9,8,9\nK1,2025-01-14,45,9,9,8,9\n"
    )
    reading = read_ratings_table(file, catalogue)
    assert reading.columns.get("session_time") is None
    assert reading.ratings.moments[2] == DAY
