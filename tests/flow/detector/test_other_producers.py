"""What ingest refuses is refused by the detector, too, when a producer writes it straight into Kafka."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.ids import PracticeId
from schemas.rating import RatingBody
from schemas.topics import SESSION_RATED
from services.detector.domain.rating_rules import broken_rule
from services.detector.files.ratings_table import rated_of
from services.detector.received import Rated
from services.detector.stream.stages.decode import read, surely_valid
from tests.flow.ingest.test_refused_ratings import REFUSED
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, record_of
from tests.support.detector.running_consumer import running_consumer
from tests.support.embedded_kafka import embedded_kafka
from tests.support.ingest.running import RATING
from tests.support.poison import Poison, send_mixed
from tests.support.runtime.running_sample import until

REJECTED = {
    "an unknown instrument": ("unknown-instrument", "no such instrument is described here"),
    "an item out of range": ("invalid-marks", "the marks do not fit the instrument"),
    "a mark between two marks": ("invalid-marks", "the marks do not fit the instrument"),
    "too few items": ("invalid-marks", "the marks do not fit the instrument"),
    "too many unanswered items": ("invalid-marks", "the marks do not fit the instrument"),
    "no marks": ("invalid", "the rating has no marks"),
    "items and scores": ("invalid", "the rating has marks more than once"),
    "marks of a declined form": ("invalid", "the rating has marks but is not rated"),
    "no client": ("undecodable", "does not fit the contract at `$.data`"),
    "an e-mail address": ("invalid", "client_id looks like an e-mail address"),
    "white space": ("invalid", "therapist_id contains white space"),
    "a number as an id": ("undecodable", "does not fit the contract at `$.data.session_id`"),
    "a date without time zone": ("undecodable", "does not fit the contract at `$.data.session_at`"),
    "a date before 2000": ("undecodable", "has a time before 2000 or after 2200"),
    "a session to come": ("invalid", "session_at is too far in the future"),
    "a next session in the far future": ("invalid", "next_session_at is too far in the future"),
    "an unknown status": ("undecodable", "does not fit the contract at `$.data.status`"),
}
"""Reason and detail by what is wrong. They name the field where ingest names it, and never a value."""
READ = {"a misspelt field"}
"""A newer producer may add fields, so unknown ones are passed over."""
ACCEPTED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def straight(sent: Mapping[str, Any], number: int) -> Poison:
    """A body as ingest takes it, as the record of a producer that checks nothing."""
    data = {
        "rating_id": f"r-{number}",
        "practice_id": "north",
        "status": "rated",
        "content_hash": "0" * 64,
        "accepted_at": ACCEPTED_AT.isoformat(),
        **sent,
    }
    event = {"type": SESSION_RATED.name, "specversion": "1.0", "id": str(number), "data": data}
    return Poison("", b"0123456789abcdef0123456789abcdef", json.dumps(event).encode())


async def test_what_ingest_refuses_is_rejected_for_the_same_reason_and_stops_nobody(
    database_url: str, tmp_path: Path
) -> None:
    cases = [(name, straight(sent, number)) for number, (name, sent, _) in enumerate(REFUSED)]
    good = [record_of(body(0, [4] * 9, client_id=f"c{number}"), 0) for number in range(len(cases))]
    with embedded_kafka() as bootstrap, psycopg.connect(database_url, autocommit=True) as conn:
        kept = [poison for _, poison in cases]
        count = "SELECT count(*) FROM detector.rating JOIN detector.assessment USING (practice_id, rating_id)"
        async with running_consumer(bootstrap, database_url, tmp_path):
            await send_mixed(bootstrap, SESSION_RATED.name, kept, [(one.key, one.value) for one in good])
            await until(
                lambda: conn.execute(count).fetchone() == (len(good) + len(READ),), "every good rating", 60
            )
        rows = conn.execute('SELECT "offset" / 2, reason, detail FROM detector.rejection').fetchall()
    found = {cases[number][0]: (reason, detail) for number, reason, detail in rows}
    assert found == REJECTED
    assert {name for name, _ in cases} - found.keys() == READ


async def test_the_practice_sees_which_of_its_ratings_broke_a_rule(
    detector: DetectorDriver,
) -> None:
    record = record_of(body(0, (4, 4, 4)), 0)
    assert record.value is not None
    spoilt = json.loads(record.value)
    spoilt["data"]["client_id"] = "anna@example.org"
    await detector.feed([type(record)(record.topic, 0, 0, 0, record.key, json.dumps(spoilt).encode())])
    rows = await detector.rows("SELECT tenant, reason, subject_id FROM detector.rejection")
    assert rows == [("north", "invalid", spoilt["data"]["rating_id"])]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)
IDS = st.one_of(
    st.sampled_from(["a", "r-1", "ä", ".x", "x.", "a b", "a@b", "\u2066x", "a/b", "x\x7f"]), TEXTS
)


@given(rating_id=IDS, client=IDS, therapist=IDS, session=IDS, case=st.one_of(st.just(""), IDS))
@example("a#b", "c", "t", "s", "")
def test_the_quick_check_passes_nothing_that_ingest_refuses(
    rating_id: str, client: str, therapist: str, session: str, case: str
) -> None:
    ids = {
        "rating_id": rating_id,
        "client_id": client,
        "therapist_id": therapist,
        "session_id": session,
        "case_id": case,
    }
    event = json.loads(straight(RATING, 0).value or b"")
    event["data"] |= ids
    kept = record_of(body(0, (4, 4, 4)), 0)
    rating = read(type(kept)(kept.topic, 0, 0, 0, b"k", json.dumps(event).encode())).data
    assert isinstance(rating, Rated)
    sent = {("id" if name == "rating_id" else name): value for name, value in ids.items()}
    try:
        RatingBody.model_validate_json(json.dumps({**RATING, **sent}))
        valid = True
    except ValidationError:
        valid = False
    assert (broken_rule(rating) is None) == valid
    assert valid or not surely_valid(rating)


def test_an_ordinary_rating_needs_the_quick_check_only() -> None:
    assert surely_valid(rated_of(PracticeId("north"), RatingBody.model_validate(RATING), NOW.replace(2027)))
