"""Simulates a practice network: who saw whom and when, every form, and the ruptures that were planted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from lab.simulator.cohort import Cohort, simulate
from lab.simulator.instruments import catalogue_instruments, cutoff_share
from lab.simulator.item_responses import Floats, in_instrument_units
from lab.simulator.world import typical_world
from schemas.instruments.instrument import Instrument
from services.detector.domain.baseline_rules import totals, vendor

WEEK = timedelta(days=7)
_COMPONENTS = ("bond", "goal", "task")
_SHORT_FORM = 8
"""Instruments with fewer items are answered in full."""
_OTHER_INSTRUMENTS = 2, 5
"""2 of 5 clients of a practice rate with another instrument than the others."""


@dataclass(frozen=True, slots=True)
class SimulationSize:
    """Numbers of practices, and of therapists and clients over all of them; sessions are per client."""

    practices: int
    therapists: int
    clients: int
    sessions: int


@dataclass(frozen=True, slots=True)
class PlantedRupture:
    """A rupture that was simulated, from the first to the last session at which it is under way."""

    first_session: str
    last_session: str
    components: tuple[str, ...]
    """The components that fall, the deepest fall first."""
    depth: float
    """The deepest fall of any component, on the scale 0 to 1."""
    lasting: bool
    """It is still under way at the client's last session."""


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """One session that took place."""

    id: str
    at: datetime
    next_at: datetime | None
    items: tuple[float | None, ...] | None
    """Marks in instrument units; None when the form was declined."""
    rupture: bool
    vendor_flag: bool
    """The vendor rule (`services.detector.domain.baseline_rules`) flags it."""


@dataclass(frozen=True, slots=True)
class ClientCourse:
    """All sessions of one client with one therapist."""

    practice: str
    therapist_id: str
    client_id: str
    instrument: str
    sessions: tuple[SimulatedSession, ...]
    ruptures: tuple[PlantedRupture, ...]


class ReferenceGenerator:
    """Draws pseudonymous references without repeating one."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def new(self, prefix: str) -> str:
        """Return a new reference, such as `c-7f3a91b2` for the prefix `c`."""
        while True:
            name = f"{prefix}-{int(self._rng.integers(1 << 32)):08x}"
            if name not in self._used:
                self._used.add(name)
                return name


def _split(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


def _last_appointment(rng: np.random.Generator, end: datetime) -> datetime:
    """Draw a client's last weekly appointment, on a quarter hour within the week before `end`."""
    day = end - timedelta(days=int(rng.integers(7)))
    at = day.replace(hour=int(rng.integers(7, 17)), minute=15 * int(rng.integers(4)), second=0, microsecond=0)
    # The form is sent an hour or more after the session began.
    return at if at + timedelta(hours=2) <= end else at - WEEK


def _ruptures(cohort: Cohort, client: int, names: list[str]) -> tuple[PlantedRupture, ...]:
    under_way = cohort.rupture[client, : len(names)]
    fall = cohort.courses.fall[client, : len(names)]
    ruptures: list[PlantedRupture] = []
    start: int | None = None
    for t in range(len(names) + 1):
        is_under_way = t < len(names) and bool(under_way[t])
        if is_under_way and start is None:
            start = t
        if not is_under_way and start is not None:
            deepest = fall[start:t].max(axis=0)
            ranked = np.argsort(-deepest, kind="stable")
            ruptures.append(
                PlantedRupture(
                    first_session=names[start],
                    last_session=names[t - 1],
                    components=tuple(_COMPONENTS[c] for c in ranked if deepest[c] > 0),
                    depth=round(float(deepest.max()), 3),
                    lasting=t == len(names),
                )
            )
            start = None
    return tuple(ruptures)


def _items(instrument: Instrument, marks: Floats) -> tuple[float | None, ...]:
    units = in_instrument_units(instrument, marks.copy()).tolist()
    whole = float(instrument.lowest).is_integer() and float(instrument.step).is_integer()
    return tuple(None if np.isnan(mark) else (int(mark) if whole else mark) for mark in units)


def _courses(
    *,
    rng: np.random.Generator,
    references: ReferenceGenerator,
    practice: str,
    instrument: Instrument,
    therapists: list[str],
    clients: int,
    size: SimulationSize,
    end: datetime,
) -> Iterator[ClientCourse]:
    world = typical_world(instrument, rng)
    if instrument.items < _SHORT_FORM:
        world = replace(world, missing=replace(world.missing, partial=0.0))
    cohort = simulate(rng, clients, world, size.sessions)
    rule = vendor(cutoff_share(instrument))
    flags = rule.score(totals(cohort.forms)) >= rule.cut
    for client in range(clients):
        last = _last_appointment(rng, end)
        attended = int(cohort.present[client].sum())
        names = [references.new("s") for _ in range(attended)]
        sessions = []
        for t, name in enumerate(names):
            at = last - (size.sessions - 1 - t) * WEEK
            continues = t + 1 < attended or attended == size.sessions
            declined = bool(cohort.declined[client, t])
            items = None if declined else _items(instrument, cohort.marks[client, t])
            under_way = bool(cohort.rupture[client, t])
            flagged = bool(flags[client, t]) and not declined
            next_at = at + WEEK if continues else None
            sessions.append(SimulatedSession(name, at, next_at, items, under_way, flagged))
        yield ClientCourse(
            practice=practice,
            therapist_id=therapists[int(rng.integers(len(therapists)))],
            client_id=references.new("c"),
            instrument=str(instrument.id),
            sessions=tuple(sessions),
            ruptures=_ruptures(cohort, client, names),
        )


def simulate_network(rng: np.random.Generator, size: SimulationSize, end: datetime) -> list[ClientCourse]:
    """Simulate every client of every practice; each practice mostly uses one of the shipped instruments.

    Each client's weekly sessions end in the week before `end`.
    """
    instruments = catalogue_instruments()
    references = ReferenceGenerator(rng)
    courses: list[ClientCourse] = []
    therapists_of = _split(size.therapists, size.practices)
    for number, clients in enumerate(_split(size.clients, size.practices)):
        therapists = [references.new("t") for _ in range(max(therapists_of[number], 1))]
        share, of = _OTHER_INSTRUMENTS
        others = _split(clients * share // of, len(instruments) - 1)
        for turn, count in enumerate([clients - sum(others), *others]):
            if count:
                courses += _courses(
                    rng=rng,
                    references=references,
                    practice=f"practice-{number + 1}",
                    instrument=instruments[(number + turn) % len(instruments)],
                    therapists=therapists,
                    clients=count,
                    size=size,
                    end=end,
                )
    return courses
