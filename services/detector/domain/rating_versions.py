"""Ratings in, one by one; each claimed, counted as a duplicate or refused, and what changed by dyad out.

Which version of a rating is current follows from the versions alone, so their order does not matter.
"""

from collections.abc import Callable, Mapping, Sequence

from schemas.events import Status
from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.rating_order import session_order
from services.detector.domain.form import Form, form_of
from services.detector.domain.form_batch import full_forms
from services.detector.domain.reasons import RejectionReason
from services.detector.storage.ratings import Known
from services.detector.stream.batch import Arrival, DyadWork, Version, VersionKey
from services.runtime.process.errors import Reject


class Desk:
    """Takes ratings one by one against what is known, and keeps what is known up to date."""

    def __init__(
        self, cluster_id: str, dyads: Mapping[DyadId, DyadWork], known: Known, catalogue: Catalogue
    ) -> None:
        self._cluster = cluster_id
        self._dyads = dyads
        self._known = known
        self._catalogue = catalogue
        self._touched: dict[tuple[DyadId, VersionKey], None] = {}

    def take(self, arrivals: Sequence[Arrival], refused: Callable[[Arrival, Reject], None]) -> None:
        """Claim each, count it as a duplicate, or hand it to `refused` with a reason of the domain."""
        forms = full_forms([arrival.rating for arrival in arrivals], self._catalogue)
        for arrival, form in zip(arrivals, forms, strict=True):
            try:
                self._take(arrival, form)
            except Reject as reject:
                refused(arrival, reject)
        self._settle()

    def _take(self, arrival: Arrival, form: Form | None) -> None:
        rating, record, dyad = arrival.rating, arrival.record, arrival.dyad
        log = (self._cluster, record.partition, record.offset)
        earlier = self._known.by_id.get((rating.practice_id, rating.rating_id))
        if earlier is not None:
            if earlier.rating.content_hash != rating.content_hash or earlier.dyad_id != dyad.id:
                raise Reject(RejectionReason.ID_REUSED, "the id belongs to a rating with another body")
            if earlier.log != log:
                self._known.duplicates.append((log, rating))
                self._predate(arrival, earlier)
            return
        if self._is_elsewhere(arrival):
            raise Reject(
                RejectionReason.SESSION_IN_OTHER_DYAD,
                "the session is rated under another therapist, client or case: withdraw that rating first",
            )
        version = self._version(arrival, form, log)
        self._known.by_id[rating.practice_id, rating.rating_id] = version
        key = version.key
        self._known.versions.setdefault((dyad.id, key), []).append(version)
        self._known.new.append(version)
        self._recount(arrival, key)

    def _version(self, arrival: Arrival, form: Form | None, log: tuple[str, int, int]) -> Version:
        rating = arrival.rating
        try:
            instrument = self._catalogue.get(rating.instrument)
            if form is None and rating.status is not Status.WITHDRAWN:
                form = form_of(rating, instrument)
        except UnknownInstrument:
            raise Reject(RejectionReason.UNKNOWN_INSTRUMENT, "no such instrument is described here") from None
        place = session_order(rating) if form is None else form.order
        return Version(rating, place, arrival.dyad.id, rating.accepted_at, log, form)

    def _is_elsewhere(self, arrival: Arrival) -> bool:
        rating = arrival.rating
        key = (rating.practice_id, rating.client_id, rating.session_id, rating.instrument)
        return self._known.counted.get(key, arrival.dyad.id) != arrival.dyad.id

    def _predate(self, arrival: Arrival, known: Version) -> None:
        # A duplicate keeps its earliest acceptance. Where the session has moved to another dyad meanwhile,
        # that could bring back what was withdrawn here: then it stays.
        if arrival.rating.accepted_at < known.accepted_at and not self._is_elsewhere(arrival):
            before = min(known.place.session_at, known.accepted_at)
            known.accepted_at = arrival.rating.accepted_at
            self._known.predated[known.rating.practice_id, known.rating.rating_id] = known
            self._recount(arrival, known.key)
            if known.counts and min(known.place.session_at, known.accepted_at) != before:
                self._touch(arrival.dyad, known.key)  # another threshold may count there

    def _recount(self, arrival: Arrival, key: VersionKey) -> None:
        versions = self._known.versions[arrival.dyad.id, key]
        newest = max(versions, key=lambda version: version.currency) if len(versions) > 1 else versions[0]
        if newest.current:
            return
        for version in versions:
            version.current = version is newest
        rating = arrival.rating
        identity = (rating.practice_id, rating.client_id, *key)
        if newest.counts:
            self._known.counted[identity] = arrival.dyad.id
        else:
            self._known.counted.pop(identity, None)
        self._touch(arrival.dyad, key)

    def _touch(self, dyad: DyadWork, key: VersionKey) -> None:
        self._touched.setdefault((dyad.id, key))

    def _settle(self) -> None:
        """Say of each dyad which ratings changed, and from which place on its history differs."""
        for dyad_id, key in self._touched:
            dyad = self._dyads[dyad_id]
            versions = self._known.versions[dyad.id, key]
            now = next(version for version in versions if version.current)
            before = self._known.current_before.get((dyad.id, key))
            dyad.touched[key] = now
            dyad.history_revision += 1
            dyad.caused_at = max(now.accepted_at, dyad.caused_at or now.accepted_at)
            places = [
                v.place for v in (before, now) if v is not None and v.rating.status is not Status.WITHDRAWN
            ]
            if places:
                first = min(places)
                dyad.changed_from = first if dyad.changed_from is None else min(first, dyad.changed_from)
            last = dyad.decision.folded.last
            dyad.refold |= before is not None or (bool(places) and last is not None and min(places) <= last)
