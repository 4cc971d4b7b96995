"""Checks what therapists and practices are told: true facts, mail in time, and a receipt for each rating."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas import topics
from tests.support.whole_flow.naive_outcome import Outcome
from tests.support.whole_flow.tables import THERAPISTS
from tests.support.whole_flow.world import HistoryWorld, SentRating

_PARTS = ("bond", "goal", "task", "overall")
"""The components of the SRS, in the order of its items."""
_LOWER, _HIGHER = {"fell", "somewhat-lower"}, {"rose"}
RECEIPTS = {"pending", "assessed", "superseded", "rejected", "blocked"}
_ITEMS = """
SELECT c.practice_id, c.therapist_id, c.client_id, c.content FROM notifier.item i
JOIN notifier.change c USING (episode_id, revision) WHERE i.state IN ('opened', 'deepened')
"""
_MAILED = """
SELECT practice_id, therapist_id, delivery_id FROM notifier.delivery WHERE state = 'sent' AND attempts = 1
"""
_ANNOUNCED = """
SELECT i.therapist_id, i.state, i.answer FROM notifier.delivery d JOIN notifier.item i USING (episode_id)
WHERE d.delivery_id = %s
"""
_CHANGES = "SELECT episode_id::text, revision FROM {schema}"
_ITEMS_OTHERWISE = """
SELECT i.episode_id, i.therapist_id, d.therapist_id, i.state, e.state FROM notifier.item i
LEFT JOIN detector.episode e USING (episode_id) LEFT JOIN detector.dyad d USING (dyad_id)
WHERE (i.practice_id, i.therapist_id, i.client_id)
        IS DISTINCT FROM (d.practice_id, d.therapist_id, d.client_id)
    OR CASE WHEN e.state IN ('open', 'acknowledged') THEN i.state NOT IN ('opened', 'deepened')
        ELSE i.state IS DISTINCT FROM e.state END
"""
_OVERDUE = "SELECT * FROM notifier.delivery WHERE state IN ('pending', 'retrying') AND due_at <= %s"
_LONGEST = timedelta(days=21)
"""The age of the oldest session that is told."""


def check_facts(world: HistoryWorld, since: int) -> None:
    """Check every change of an episode that was published since the record of this number."""
    for record in world.log.written[since:]:
        if record.topic == topics.EPISODE_CHANGED.name:
            event = json.loads(record.value or b"")
            _check_age(event["data"], datetime.fromisoformat(event["time"]))
            _check_change(event["data"], world.sent)


def _check_age(data: dict[str, Any], at: datetime) -> None:
    if data["change"] in {"opened", "deepened"} and "kept_back" not in data:
        assert at - datetime.fromisoformat(data["session_at"]) <= _LONGEST, data["session_at"]


def _check_change(data: dict[str, Any], sent: list[SentRating]) -> None:
    names = ("therapist_id", "client_id")
    forms: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    sessions = set()
    for one in sent:
        if one.practice == data["practice_id"] and all(one.body[name] == data[name] for name in names):
            forms[_moment(one.body["session_at"])].append(tuple(one.body.get("items", ())))
            sessions.add(one.body["session_id"])
    facts = data["facts"]
    parts = {part["component"]: part for part in facts.get("components", ())}
    if "form_at" in facts:
        marks = [parts.get(name, {}).get("mark") for name in _PARTS]
        assert _is_one_of(marks, forms[_moment(facts["form_at"])]), (marks, facts["form_at"])
        assert facts.get("since", facts["form_at"]) <= facts["form_at"]
    given = [items for several in forms.values() for items in several if len(items) == len(_PARTS)]
    assert facts.get("forms", 0) <= len(sessions)
    for name, part in parts.items():
        mark, usual = part.get("mark"), part.get("usual")
        if usual is None:
            continue
        assert part["usual_low"] <= usual <= part["usual_high"], part
        column = [items[_PARTS.index(name)] for items in given]
        assert min(column) <= part["usual_low"], part
        assert part["usual_high"] <= max(column), part
        assert part["standing"] not in _LOWER or mark < usual, part
        assert part["standing"] not in _HIGHER or mark > usual, part
    for point in data.get("trajectory", ()):
        shown = [point.get(name) for name in _PARTS]
        drawn = [None if mark is None else round(mark * 10, 6) for mark in shown]
        known = forms[_moment(point["session_at"])]
        assert _is_one_of(drawn, known), (point, known)


def _is_one_of(marks: Sequence[float | None], forms: Iterable[tuple[float, ...]]) -> bool:
    """Return whether one of the forms has these marks; the other model states none for `overall`."""
    stated = [(index, mark) for index, mark in enumerate(marks) if mark is not None]
    return any(
        bool(form) == bool(stated) and all(form[index] == mark for index, mark in stated) for form in forms
    )


def _moment(text: object) -> str:
    """Return a time as it is compared here, however it was written."""
    return str(text).replace("Z", "+00:00").replace("T", " ")


async def check_items(world: HistoryWorld, outcome: Outcome) -> None:
    """The picture of each open item shows the sessions that count now, and none that was taken back."""
    rows = await (await world.conn.execute(_ITEMS)).fetchall()
    for practice, therapist, client, content in rows:
        sessions = outcome.current.get((practice, therapist, client), {})
        taking_place = Counter(_moment(one.rating.session_at) for one in sessions.values() if one.is_form)
        drawn = Counter(_moment(point["session_at"]) for point in content.get("trajectory", ()))
        assert drawn <= taking_place, (drawn, taking_place)


async def check_new_mails(world: HistoryWorld, known: int) -> int:
    """Mail that went out since goes to the item's therapist, and the item is open and unanswered.

    Returns how many mails have gone out until now.
    """
    addresses = {one.therapist_id: one.address for one in THERAPISTS}
    for mail in world.made.mail.mails[known:]:
        ((therapist, state, answer),) = await _rows(world, _ANNOUNCED, mail.delivery_id)
        assert mail.address == addresses[therapist], f"a mail to {mail.address} about an item of {therapist}"
        assert state in {"opened", "deepened"}, f"a mail about an item that is {state}"
        assert answer in {None, "undone"}, f"a mail about an item with the answer {answer}"
    return len(world.made.mail.mails)


async def check_changes(world: HistoryWorld, published: int) -> None:
    """Each change was published and, unless the log lost it, read; items show what the detector decided."""
    changes = await _rows(world, _CHANGES.format(schema="detector.episode_change"))
    assert published == len(changes)
    if not world.lost_events:
        assert sorted(await _rows(world, _CHANGES.format(schema="notifier.change"))) == sorted(changes)
        otherwise = await _rows(world, _ITEMS_OTHERWISE)
        assert otherwise == [], otherwise


async def check_mails(world: HistoryWorld) -> None:
    """No change is mailed twice, whatever was mailed is stored as sent, and nothing due waits."""
    mails = Counter(mail.delivery_id for mail in world.made.mail.mails)
    assert sum(mails.values()) - len(mails) <= world.mail_crashes, "a mail went out twice"
    states = dict(await _rows(world, "SELECT delivery_id, state FROM notifier.delivery"))
    assert {one for one, state in states.items() if state == "sent"} <= mails.keys()
    assert all(states[one] in {"sent", "cancelled"} for one in mails)
    overdue = await _rows(world, _OVERDUE, world.now)
    assert overdue == [], overdue


async def check_mail_times(world: HistoryWorld) -> None:
    """Mail that is planned goes out by day, and once a day at most; a further attempt keeps its time."""
    zones = {one.therapist_id: one.zone for one in THERAPISTS}
    planned = {THERAPISTS[1].therapist_id}
    sent_at = {mail.delivery_id: mail.at for mail in world.made.mail.mails}
    days: Counter[tuple[object, ...]] = Counter()
    for practice, therapist, delivery in await (await world.conn.execute(_MAILED)).fetchall():
        if therapist in planned:
            local = sent_at[delivery].astimezone(zones[therapist])
            assert 7 <= local.hour < 20, f"mail at {local}"
            days[practice, therapist, local.date()] += 1
    assert world.mail_crashes or all(count == 1 for count in days.values()), days


async def check_receipts(world: HistoryWorld, newest: int) -> None:
    """Each of the newest deliveries has a receipt with a documented status, and none is pending."""
    for sent in world.sent[len(world.sent) - newest :]:
        rating = json.loads(sent.out.value)["data"]["rating_id"]
        head = {"Authorization": f"Bearer {world.made.keys[sent.practice]}"}
        response = await world.made.results.get(f"/v1/ratings/{rating}", headers=head)
        assert response.status_code == 200, response.text
        status = response.json()["status"]
        assert status in RECEIPTS, status
        if sent.record is not None:
            assert status != "pending" or sent.record.timestamp not in world.is_read["detector"], rating


async def _rows(world: HistoryWorld, query: str, *values: object) -> list[tuple[Any, ...]]:
    return await (await world.conn.execute(query.encode(), values or None)).fetchall()
