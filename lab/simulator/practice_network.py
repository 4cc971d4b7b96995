"""A seed and sizes in, a simulated practice network out: who saw whom when, every form, and the truth."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from lab.simulator.cohort import Cohort, simulate
from lab.simulator.instruments import SHIPPED, SRS, ItemShape
from lab.simulator.item_responses import Floats, in_instrument_units
from lab.simulator.world import typical_world
from services.detector.domain.baseline_rules import SRS_CUTOFF, totals, vendor

WEEK = timedelta(days=7)
_COMPONENTS = ("bond", "goal", "task")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many practices, and how many therapists and clients they have together."""

    practices: int
    therapists: int
    clients: int
    sessions: int


@dataclass(frozen=True, slots=True)
class PlantedRupture:
    """A rupture in the truth: its first and last session while it is under way."""

    first_session: str
    last_session: str
    components: tuple[str, ...]
    """Leading component first."""
    depth: float
    """The deepest fall of any component, on 0 to 1."""
    lasting: bool
    """Still under way at the last session seen."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session that took place: marks in instrument units, None when the form was declined."""

    id: str
    at: datetime
    next_at: datetime | None
    items: tuple[float | None, ...] | None
    rupture: bool
    vendor_flag: bool
    """Today's vendor rule would flag it."""


@dataclass(frozen=True, slots=True)
class ClientCourse:
    """One client with one therapist."""

    practice: str
    therapist_id: str
    client_id: str
    instrument: str
    sessions: tuple[Session, ...]
    ruptures: tuple[PlantedRupture, ...]


class References:
    """Pseudonymous references, each given once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._given: set[str] = set()

    def new(self, kind: str) -> str:
        """A fresh one, such as `c-7f3a91b2`; `kind` is its first letter."""
        while True:
            name = f"{kind}-{int(self._rng.integers(1 << 32)):08x}"
            if name not in self._given:
                self._given.add(name)
                return name


def _split(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


def _slot(rng: np.random.Generator, end: datetime) -> datetime:
    """A client's last weekly appointment: a quarter hour within the week before `end`."""
    day = end - timedelta(days=int(rng.integers(7)))
    at = day.replace(hour=int(rng.integers(7, 17)), minute=15 * int(rng.integers(4)), second=0, microsecond=0)
    # The form is given an hour after the session began, and sent soon after that.
    return at if at + timedelta(hours=2) <= end else at - WEEK


def _ruptures(cohort: Cohort, client: int, names: list[str]) -> tuple[PlantedRupture, ...]:
    under_way = cohort.rupture[client, : len(names)]
    fall = cohort.courses.fall[client, : len(names)]
    found: list[PlantedRupture] = []
    start: int | None = None
    for t in range(len(names) + 1):
        on = t < len(names) and bool(under_way[t])
        if on and start is None:
            start = t
        if not on and start is not None:
            deepest = fall[start:t].max(axis=0)
            ranked = np.argsort(-deepest, kind="stable")
            found.append(
                PlantedRupture(
                    first_session=names[start],
                    last_session=names[t - 1],
                    components=tuple(_COMPONENTS[c] for c in ranked if deepest[c] > 0),
                    depth=round(float(deepest.max()), 3),
                    lasting=t == len(names),
                )
            )
            start = None
    return tuple(found)


def _items(shape: ItemShape, marks: Floats) -> tuple[float | None, ...]:
    units = in_instrument_units(shape, marks.copy()).tolist()
    whole = shape.step >= 1
    return tuple(None if np.isnan(x) else (int(x) if whole else round(x, 2)) for x in units)


def _courses(
    *,
    rng: np.random.Generator,
    references: References,
    practice: str,
    shape: ItemShape,
    therapists: list[str],
    clients: int,
    sizes: Sizes,
    end: datetime,
) -> Iterator[ClientCourse]:
    world = typical_world(shape, rng)
    if len(shape.components) < 8:
        world = replace(world, missing=replace(world.missing, partial=0.0))
    cohort = simulate(rng, clients, world, sizes.sessions)
    rule = vendor(SRS_CUTOFF if shape is SRS else None)
    flags = rule.score(totals(cohort.forms)) >= rule.cut
    for client in range(clients):
        last = _slot(rng, end)
        seen = int(cohort.present[client].sum())
        names = [references.new("s") for _ in range(seen)]
        sessions = []
        for t, name in enumerate(names):
            at = last - (sizes.sessions - 1 - t) * WEEK
            goes_on = t + 1 < seen or seen == sizes.sessions
            declined = bool(cohort.declined[client, t])
            items = None if declined else _items(shape, cohort.marks[client, t])
            under_way = bool(cohort.rupture[client, t])
            flagged = bool(flags[client, t]) and not declined
            sessions.append(Session(name, at, at + WEEK if goes_on else None, items, under_way, flagged))
        yield ClientCourse(
            practice=practice,
            therapist_id=therapists[int(rng.integers(len(therapists)))],
            client_id=references.new("c"),
            instrument=shape.name,
            sessions=tuple(sessions),
            ruptures=_ruptures(cohort, client, names),
        )


def simulate_network(rng: np.random.Generator, sizes: Sizes, end: datetime) -> list[ClientCourse]:
    """Every client's course in every practice: each practice mostly uses one of the shipped instruments.

    `end` is the moment at which the simulation stops: each client's weekly sessions end in the week before.
    """
    references = References(rng)
    courses: list[ClientCourse] = []
    therapists_of = _split(sizes.therapists, sizes.practices)
    for number, clients in enumerate(_split(sizes.clients, sizes.practices)):
        therapists = [references.new("t") for _ in range(max(therapists_of[number], 1))]
        others = _split(clients * 2 // 5, len(SHIPPED) - 1)
        for turn, count in enumerate([clients - sum(others), *others]):
            if count:
                shape = SHIPPED[(number + turn) % len(SHIPPED)]
                practice = f"practice-{number + 1}"
                courses += _courses(
                    rng=rng,
                    references=references,
                    practice=practice,
                    shape=shape,
                    therapists=therapists,
                    clients=count,
                    sizes=sizes,
                    end=end,
                )
    return courses
