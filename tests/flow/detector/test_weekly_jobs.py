"""Weekly jobs spread over the week, mark a practice first, and read a bounded number of its sessions."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from services.detector.domain.thresholds import shrunk_threshold, threshold_for_false_alarms
from services.detector.jobs import renew_thresholds
from services.detector.jobs.daily_sweep import weekly_jobs
from services.detector.jobs.renew_thresholds import BUCKETS, add_threshold
from services.detector.jobs.weekly_jobs import is_due, mark_tried, practices_due
from services.runtime.outbox.transaction import Transaction
from tests.flow.detector.test_sweep import ALL, CountedTransactions, sweep_of
from tests.support.detector.batch_driver import NOW, PARTITIONS, DetectorDriver

THRESHOLDS = "SELECT practice_id, value, (sources ->> 'sessions')::int FROM detector.threshold ORDER BY 1"
MONDAY = date(2026, 3, 2)
_ASSESSMENTS = """
INSERT INTO detector.assessment (dyad_id, session_id, instrument, practice_id, rating_id, session_at,
    revision, model_version, risk, may_flag, flagged, step, numbers)
SELECT gen_random_uuid(), 's', 'srs', %s, number::text, %s::timestamptz - number * interval '1 minute', 1,
    %s, risk, may_flag, false, '', ''
FROM unnest(%s::float8[], %s::boolean[]) WITH ORDINALITY AS one (risk, may_flag, number)
"""


async def assess(
    detector: DetectorDriver, risks: list[float], may_flag: list[bool], practice: str = "north"
) -> None:
    """Store assessments, the newest first, a minute apart."""
    await detector.conn.execute(_ASSESSMENTS, (practice, detector.now, "toy-1", risks, may_flag))
    await detector.conn.commit()


def risks_like(shape: str, size: int = 3_000) -> list[float]:
    """Return risks with 6 decimals: most of them low, few and equal ones, or with wide gaps."""
    drawn = np.random.default_rng(7)
    if shape == "crowded":
        return [round(risk, 6) for risk in drawn.beta(0.4, 3, size)]
    if shape == "equal":
        return [round(risk, 6) for risk in drawn.choice([0.05, 0.1, 0.300001, 0.300002, 0.3, 0.7], size)]
    gaps = drawn.choice([0.02, 0.0202, 0.45, 0.4502, 0.97], size, p=[0.5, 0.3, 0.1, 0.09, 0.01])
    return [round(risk + drawn.integers(0, 3) * 1e-5, 6) for risk in gaps]


@pytest.mark.parametrize("shape", ["crowded", "equal", "gaps"])
async def test_a_threshold_equals_the_one_of_the_risks_themselves_within_a_bucket(
    detector: DetectorDriver, shape: str
) -> None:
    risks = risks_like(shape)
    may_flag = [bool(able) for able in np.random.default_rng(8).random(len(risks)) < 0.9]
    await assess(detector, risks, may_flag)
    able = [risk for risk, may in zip(risks, may_flag, strict=True) if may]
    never = [risk for risk, may in zip(risks, may_flag, strict=True) if not may]
    for per_1000 in range(10, 201, 5):
        share = per_1000 / 1000
        await detector.rows("UPDATE detector.practice SET false_alarms = %s RETURNING 1", (share,))
        detector.now += timedelta(days=1)
        await detector.transact(partial(add_threshold, models=detector.tools.models, practice="north"))
        ((value,),) = await detector.rows(
            "SELECT value FROM detector.threshold ORDER BY computed_at DESC LIMIT 1"
        )
        expected = threshold_for_false_alarms(able, never, share)
        if share == 0.05:  # the toy model has no reference, so it knows its threshold for this share only
            expected = shrunk_threshold(expected, 0.5, len(risks))
        assert value == pytest.approx(min(max(expected, 0.02), 0.98), abs=1 / BUCKETS), share


async def test_a_clock_that_was_ahead_does_not_put_off_what_is_renewed_weekly(
    detector: DetectorDriver,
) -> None:
    far = MONDAY + timedelta(days=3650)
    (thresholds, _) = weekly_jobs(detector.tools)
    for day, tried in ((far, far), (MONDAY, MONDAY), (MONDAY - timedelta(days=1), MONDAY)):
        await detector.transact(partial(mark_tried, job=thresholds, day=day, practice="north"))
        assert await detector.rows("SELECT tried_on FROM detector.renewal") == [(tried,)]
    await detector.transact(partial(mark_tried, job=thresholds, day=far, practice="north"))
    due: list[str] = []

    async def read_due(tx: Transaction) -> None:
        due[:] = await practices_due(tx, thresholds, MONDAY)

    await detector.transact(read_due)
    assert due == ["north"]

    week = [MONDAY + timedelta(days=day) for day in range(7)]
    assert sum(is_due("north", far, day) for day in week) == 1
    assert not any(is_due("north", MONDAY, day) for day in week)


async def test_only_the_newest_sessions_up_to_now_count(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew_thresholds, "MOST_SESSIONS", 500)
    detector.now += timedelta(minutes=501)  # the first 500 are then dated ahead
    await assess(detector, [0.9] * 500 + [0.2] * 500 + [0.7] * 500, [True] * 1_500)
    detector.now -= timedelta(minutes=501)
    await detector.transact(partial(add_threshold, models=detector.tools.models, practice="north"))
    assert await detector.rows(THRESHOLDS) == [("north", shrunk_threshold(0.6, 0.5, 500), 500)]


async def test_a_practice_is_marked_before_anything_is_computed_for_it_and_not_tried_again_that_day(
    detector: DetectorDriver,
) -> None:
    for practice in ("east", "south"):
        await detector.practice(practice)
        await assess(detector, risks_like("crowded", 400), [True] * 400, practice)
    dying = DyingFor("east", detector)
    with pytest.raises(SystemExit):
        await sweep_of(detector, consumer=dying).sweep(NOW.date())
    assert await detector.rows("SELECT practice_id, job FROM detector.renewal") == [("east", "thresholds")]
    await sweep_of(detector, consumer=dying).sweep(NOW.date())
    assert [row[0] for row in await detector.rows(THRESHOLDS)] == ["south"]
    await sweep_of(detector).sweep((NOW + timedelta(days=1)).date())
    assert [row[0] for row in await detector.rows(THRESHOLDS)] == ["east", "south"]


class DyingFor(CountedTransactions):
    """The driver's transactions; one that computes the threshold of this practice ends the process."""

    def __init__(self, practice: str, detector: DetectorDriver) -> None:
        super().__init__(detector, ALL)
        self._practice = practice

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        renewal = isinstance(work, partial) and {"models", "practice"} <= work.keywords.keys()
        if renewal and work.keywords["practice"] == self._practice:  # type: ignore[attr-defined]
            raise SystemExit(137)
        await super().transact(work)


async def test_a_sweep_that_is_stopped_goes_on_with_the_other_practices_at_the_next_start(
    detector: DetectorDriver,
) -> None:
    for practice in ("east", "south"):
        await detector.practice(practice)
        await assess(detector, risks_like("crowded", 400), [True] * 400, practice)
    stopping = StoppedAfter("east", detector)
    sweep = stopping.sweep = sweep_of(detector, consumer=stopping)
    await sweep.sweep(NOW.date())
    assert [row[0] for row in await detector.rows(THRESHOLDS)] == ["east"]
    await sweep_of(detector).sweep(NOW.date())
    assert [row[0] for row in await detector.rows(THRESHOLDS)] == ["east", "south"]
    assert await detector.rows("SELECT count(*) FROM detector.sweep") == [(PARTITIONS,)]


class StoppedAfter(CountedTransactions):
    """The driver's transactions; after the one for this practice the sweep is asked to stop."""

    def __init__(self, practice: str, detector: DetectorDriver) -> None:
        super().__init__(detector, ALL)
        self._practice = practice
        self.sweep = sweep_of(detector)

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        await super().transact(work)
        if (
            isinstance(work, partial)
            and work.keywords.get("practice") == self._practice
            and "job" not in work.keywords
        ):
            await self.sweep.stop()


def test_practices_with_a_row_are_renewed_once_a_week_and_spread_over_it() -> None:
    practices = [f"practice-{number}" for number in range(700)]
    days = [MONDAY + timedelta(days=number) for number in range(1, 36)]
    renewed: dict[str, list[date]] = {}
    for practice in practices:
        last, renewed[practice] = MONDAY, []
        for day in days:
            if is_due(practice, last, day):
                last = day
                renewed[practice].append(day)
    gaps = {(b - a).days for found in renewed.values() for a, b in pairwise(found)}
    assert gaps == {7}
    first = [(found[0] - MONDAY).days for found in renewed.values()]
    assert (min(first), max(first)) == (7, 13)
    assert all(60 <= first.count(day) <= 140 for day in range(7, 14))


def test_a_practice_whose_day_was_missed_is_renewed_on_any_day_after_two_weeks() -> None:
    due = [is_due("north", MONDAY, MONDAY + timedelta(days=number)) for number in range(14, 21)]
    assert due == [True] * 7
