"""Claims arriving ratings and finds which version of each rating is current.

Which version is current follows from the versions alone, so the order in which they arrive does not matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.ids import DyadId, PracticeId, RatingIdentity
from schemas.rating_order import identity, session_order
from services.detector.domain.dyad_work import Arrival, DyadWork, LogPosition, RatingVersion, VersionKey
from services.detector.domain.outcomes import RejectionReason
from services.detector.received import Rated
from services.runtime.process.errors import Reject

_DyadVersion = tuple[DyadId, VersionKey]

MOST_SESSIONS_OF_DYAD = 5_000
"""Ratings of different sessions, or by different instruments, that one dyad may have: a century of weeks."""
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class RatingChanges:
    """What a batch changes in the stored ratings, in the order in which it must be written."""

    superseded: list[RatingVersion] = field(default_factory=list)
    """Stored versions that are not current any more, or that only have an earlier acceptance."""
    corrected: list[RatingVersion] = field(default_factory=list)
    """Versions that take the place of the stored ones with their ids."""
    new: list[RatingVersion] = field(default_factory=list)
    current: list[RatingVersion] = field(default_factory=list)
    """Stored versions that are current (again), or that only have an earlier acceptance."""
    duplicates: list[tuple[LogPosition, Rated]] = field(default_factory=list)
    outdated: list[tuple[LogPosition, Rated]] = field(default_factory=list)
    """Deliveries, some of them stored before, whose id another version has now: they are superseded."""
    rejected: list[tuple[Arrival, Reject]] = field(default_factory=list)
    blocked: list[Arrival] = field(default_factory=list)
    """Those whose session another dyad holds: they wait until it is taken back there."""
    released: list[RatingIdentity] = field(default_factory=list)
    """Stored sessions that no dyad holds any more, or another one than before."""


class RatingVersions:
    """The versions of a batch's ratings: those stored, and those that the batch adds."""

    def __init__(
        self, stored: Iterable[RatingVersion] = (), sessions: Mapping[DyadId, int] | None = None
    ) -> None:
        """Start with the versions that are stored of the batch's ratings.

        `sessions` has the number of ratings that are stored of those dyads that may get more than
        `MOST_SESSIONS_OF_DYAD` with this batch; those of any other dyad are not counted.
        """
        self._sessions = dict(sessions or {})
        self._by_id: dict[tuple[str, str], RatingVersion] = {}
        self._of_rating: dict[_DyadVersion, list[RatingVersion]] = {}
        self._dyad_of_rating: dict[RatingIdentity, DyadId] = {}
        self._current_before: dict[_DyadVersion, RatingVersion] = {}
        self._predated: dict[int, RatingVersion] = {}
        self._touched: dict[_DyadVersion, None] = {}
        self._new: list[RatingVersion] = []
        self._corrected: list[RatingVersion] = []
        self._outdated: list[tuple[LogPosition, Rated]] = []
        self._duplicates: list[tuple[LogPosition, Rated]] = []
        for version in stored:
            self._add_stored(version)

    def claim(self, arrivals: Sequence[Arrival], dyads: Mapping[DyadId, DyadWork]) -> RatingChanges:
        """Claim each rating, count it as a duplicate or reject it, and note in `dyads` what changed.

        A rating whose session another dyad holds is blocked, unless a later arrival takes it back there.
        """
        rejected = []
        blocked: list[Arrival] = []
        held_before = dict(self._dyad_of_rating)
        waiting = list(arrivals)
        while waiting:
            blocked = []
            for arrival in waiting:
                try:
                    if not self._claim(arrival):
                        blocked.append(arrival)
                except Reject as reject:
                    rejected.append((arrival, reject))
            waiting = blocked if len(blocked) < len(waiting) else []
        self._note_changes(dyads)
        changed = self._changed_stored()
        return RatingChanges(
            superseded=[version for version in changed if not version.current],
            corrected=self._corrected,
            new=self._new,
            current=[version for version in changed if version.current],
            duplicates=self._duplicates,
            outdated=self._outdated,
            rejected=rejected,
            blocked=blocked,
            released=[key for key, dyad in held_before.items() if self._dyad_of_rating.get(key) != dyad],
        )

    def _add_stored(self, version: RatingVersion) -> None:
        rating = version.rating
        own = (rating.practice_id, rating.rating_id)
        if own in self._by_id:
            return
        self._by_id[own] = version
        of_dyad = (version.dyad_id, version.key)
        self._of_rating.setdefault(of_dyad, []).append(version)
        if version.current:
            self._current_before[of_dyad] = version
        if version.counts:
            self._dyad_of_rating[identity(PracticeId(rating.practice_id), rating)] = version.dyad_id

    def _claim(self, arrival: Arrival) -> bool:
        """Claim a rating or count it as a duplicate; return False while another dyad holds its session."""
        rating, dyad = arrival.rating, arrival.dyad
        earlier = self._by_id.get((rating.practice_id, rating.rating_id))
        if earlier is not None and not _is_version_of(earlier, arrival):
            if not _says_the_same(earlier.rating, rating) or earlier.dyad_id != dyad.id:
                raise Reject(RejectionReason.ID_REUSED, "the id belongs to a rating with another body")
            if earlier.log != arrival.log:
                self._duplicates.append((arrival.log, rating))
                self._predate(arrival, earlier)
            return True
        form = arrival.form
        if isinstance(form, Reject):
            raise form
        if earlier is not None and _stated_at(rating) < _stated_at(earlier.rating):
            self._outdated.append((arrival.log, rating))
            return True
        order = session_order(rating) if form is None else form.order
        version = RatingVersion(
            rating, order, dyad.id, rating.accepted_at, arrival.log, form, is_measure=arrival.is_measure
        )
        known = self._of_rating.get((dyad.id, version.key), [])
        versions = [one for one in known if one is not earlier]
        # What is taken back or superseded in its own dyad holds no session, so nothing holds it up.
        would_count = not version.is_withdrawn and all(one.currency < version.currency for one in versions)
        if would_count and self._counts_elsewhere(arrival):
            return False
        if not known and self._sessions:
            self._count_session(dyad.id)
        self._by_id[rating.practice_id, rating.rating_id] = version
        self._of_rating[dyad.id, version.key] = [*versions, version]
        self._add(version, earlier)
        self._choose_current(arrival, version.key)
        return True

    def _count_session(self, dyad_id: DyadId) -> None:
        if (number := self._sessions.get(dyad_id)) is None:
            return
        if number >= MOST_SESSIONS_OF_DYAD:
            raise Reject(
                RejectionReason.TOO_MANY_SESSIONS,
                f"{MOST_SESSIONS_OF_DYAD} sessions of this course of therapy are stored already",
            )
        self._sessions[dyad_id] = number + 1

    def _add(self, version: RatingVersion, earlier: RatingVersion | None) -> None:
        """Note a version to be stored: a new one, or the correction of an earlier one with the same id."""
        if earlier is None:
            self._new.append(version)
            return
        self._outdated.append((earlier.log, replace(earlier.rating, accepted_at=earlier.accepted_at)))
        self._predated.pop(id(earlier), None)
        earlier.current = False
        for versions in (self._new, self._corrected):
            place = next((place for place, one in enumerate(versions) if one is earlier), None)
            if place is not None:
                versions[place] = version
                return
        self._corrected.append(version)

    def _counts_elsewhere(self, arrival: Arrival) -> bool:
        rating = arrival.rating
        of_rating = identity(PracticeId(rating.practice_id), rating)
        return self._dyad_of_rating.get(of_rating, arrival.dyad.id) != arrival.dyad.id

    def _predate(self, arrival: Arrival, known: RatingVersion) -> None:
        # A duplicate keeps its earliest acceptance. Where the session has moved to another dyad meanwhile,
        # that could bring back what was withdrawn here: then it stays.
        if arrival.rating.accepted_at < known.accepted_at and not self._counts_elsewhere(arrival):
            before = min(known.order.session_at, known.accepted_at)
            known.accepted_at = arrival.rating.accepted_at
            self._predated[id(known)] = known
            self._choose_current(arrival, known.key)
            if known.counts and min(known.order.session_at, known.accepted_at) != before:
                self._touch(arrival.dyad.id, known.key)  # another threshold may apply there

    def _choose_current(self, arrival: Arrival, key: VersionKey) -> None:
        versions = self._of_rating[arrival.dyad.id, key]
        newest = max(versions, key=lambda version: version.currency) if len(versions) > 1 else versions[0]
        if newest.current:
            return
        for version in versions:
            version.current = version is newest
        of_rating = identity(PracticeId(newest.rating.practice_id), newest.rating)
        if newest.counts:
            self._dyad_of_rating[of_rating] = arrival.dyad.id
        elif not self._counts_elsewhere(arrival):
            self._dyad_of_rating.pop(of_rating, None)
        self._touch(arrival.dyad.id, key)

    def _touch(self, dyad_id: DyadId, key: VersionKey) -> None:
        self._touched.setdefault((dyad_id, key))

    def _note_changes(self, dyads: Mapping[DyadId, DyadWork]) -> None:
        """Note in each dyad which ratings changed, and from which session on its history differs."""
        for dyad_id, key in self._touched:
            dyad = dyads[dyad_id]
            current = next(version for version in self._of_rating[dyad_id, key] if version.current)
            before = self._current_before.get((dyad_id, key))
            dyad.touched[key] = current
            dyad.history_revision += 1
            dyad.caused_at = max(current.accepted_at, dyad.caused_at or current.accepted_at)
            orders = [v.order for v in (before, current) if v is not None and v.has_form]
            if orders:
                first = min(orders)
                dyad.changed_from = first if dyad.changed_from is None else min(first, dyad.changed_from)
            last = dyad.decision.folded.last
            dyad.corrected |= before is not None and not current.is_measure
            dyad.refold |= before is not None or (bool(orders) and last is not None and min(orders) <= last)

    def _changed_stored(self) -> list[RatingVersion]:
        changed = dict(self._predated)
        for of_dyad, before in self._current_before.items():
            if not before.current:
                changed[id(before)] = before
                changed |= {id(version): version for version in self._of_rating[of_dyad]}
        for version in (*self._new, *self._corrected):
            changed.pop(id(version), None)
        return list(changed.values())


def _says_the_same(known: Rated, sent: Rated) -> bool:
    """Return whether two ratings have the same body; the therapist of their dyad may have been renamed."""
    if known.content_hash == sent.content_hash:
        return True
    named = replace(
        sent,
        therapist_id=known.therapist_id,
        content_hash=known.content_hash,
        accepted_at=known.accepted_at,
    )
    return named == known


def _is_version_of(known: RatingVersion, arrival: Arrival) -> bool:
    """Return whether a rating with a known id is another version of the same rating of its dyad.

    It is when the two say that they were changed at different times. One that does not say so is the first.
    """
    sent = arrival.rating
    if known.dyad_id != arrival.dyad.id or known.key != (sent.session_id, sent.instrument):
        return False
    return _stated_at(known.rating) != _stated_at(sent)


def _stated_at(rating: Rated) -> datetime:
    return rating.recorded_at or _NEVER
