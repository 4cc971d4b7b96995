"""The API returns the directory, the decisions and the balance of the own practice only."""

from psycopg import AsyncConnection

from schemas.events import Change, KeptBack
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.postgres import CROSSING_DIGITS, pass_transaction

ENTRY = {
    "address": "t9@north.example",
    "locale": "de-AT",
    "time_zone": "Europe/Vienna",
    "channels": ["email", "webhook"],
    "supervisor": "s-1",
    "webhook": {
        "url": "https://hooks.example/rapport",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    },
}


async def test_a_therapist_is_put_and_read_back_without_the_secret(notifier: NotifierDriver) -> None:
    async with notifier.api_client() as api_client:
        first = await api_client.put("/v1/therapists/t-9", json=ENTRY)
        second = await api_client.put("/v1/therapists/t-9", json=ENTRY)
        read = await api_client.get("/v1/therapists/t-9")
    assert (first.status_code, second.status_code, read.status_code) == (201, 200, 200)
    assert read.json()["time_zone"] == "Europe/Vienna"
    assert "whsec" not in first.text + read.text


async def test_what_is_wrong_with_an_entry_is_named_without_being_repeated(notifier: NotifierDriver) -> None:
    wrong = {"address": "canary", "locale": "xx-canary", "time_zone": "Mars/Canary", "channels": ["webhook"]}
    async with notifier.api_client() as api_client:
        answer = await api_client.put("/v1/therapists/t-9", json=wrong)
    assert answer.status_code == 422
    assert {"address", "locale", "time_zone", "webhook"} == {one["field"] for one in answer.json()["errors"]}
    assert "canary" not in answer.text.lower()


async def test_an_id_that_is_a_mail_address_is_refused(notifier: NotifierDriver) -> None:
    async with notifier.api_client() as api_client:
        assert (await api_client.put("/v1/therapists/a@b.example", json={})).status_code == 422


async def test_a_therapist_of_another_practice_is_not_found(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(practice_id="south", therapist_id="t-south")
    async with notifier.api_client() as api_client:
        own = await api_client.get("/v1/therapists/t-south")
        foreign = await api_client.get("/v1/therapists/t-south", headers={"Rapport-Practice": "south"})
    assert (own.status_code, foreign.status_code) == (404, 404)


async def test_no_path_answers_without_a_key(notifier: NotifierDriver) -> None:
    async with notifier.browser() as nobody:
        for path in ("/v1/therapists/t-1", "/v1/notifications", "/v1/balance"):
            assert (await nobody.get(path)).status_code == 401


async def test_decisions_are_paged_without_skipping_or_repeating(notifier: NotifierDriver) -> None:
    for number in range(7):
        await notifier.handle(changed(episode=f"e-{number}", client=f"c-{number}"))
    seen, after = [], ""
    async with notifier.api_client() as api_client:
        while page := (
            await api_client.get(
                "/v1/notifications", params={"limit": 4, **({"after": after} if after else {})}
            )
        ).json():
            if not page["notifications"]:
                break
            seen += [(one["episode_id"], one["channel"]) for one in page["notifications"]]
            after = page["next"]
    assert 21 == len(seen) == len(set(seen))


async def test_pages_skip_no_decision_where_the_numbers_of_transactions_get_another_digit(
    notifier: NotifierDriver,
) -> None:
    expected = [str(number) for number in CROSSING_DIGITS]
    async with await AsyncConnection.connect(notifier.url) as conn:
        await conn.execute(
            "INSERT INTO notifier.decision (practice_id, therapist_id, session_id, episode_id, revision,"
            " change, channel, outcome, reason, accepted_at, decided_at, xid) SELECT 'north', 't', 's',"
            " gen_random_uuid(), 1, number, 'inbox', 'told', 'to-review', now(), now(), number::xid8"
            " FROM unnest(%s::text[]) AS number",
            (expected,),
        )
        await conn.commit()
        await pass_transaction(conn, max(CROSSING_DIGITS))
    seen: list[str] = []
    after = ""
    async with notifier.api_client() as api_client:
        for _ in range(2 * len(expected)):
            page = (await api_client.get("/v1/notifications", params={"limit": 2, "after": after})).json()
            seen += [one["change"] for one in page["notifications"]]
            after = page["next"] or after
    assert seen == expected


async def test_a_decision_says_what_was_decided_and_how_far_the_message_came(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    async with notifier.api_client() as api_client:
        found = (await api_client.get("/v1/notifications")).json()["notifications"]
    by_channel = {one["channel"]: one for one in found}
    assert tuple(by_channel["inbox"][name] for name in ("outcome", "reason", "state")) == (
        "told",
        "to-review",
        "sent",
    )
    assert tuple(by_channel["email"][name] for name in ("outcome", "state", "sent_at")) == (
        "told",
        "pending",
        None,
    )
    assert tuple(by_channel["webhook"][name] for name in ("outcome", "state")) == ("suppressed", None)
    assert {str(episode_named("one"))} == {one["episode_id"] for one in found}


async def test_another_practices_decisions_are_not_shown(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(practice="south"))
    async with notifier.api_client() as api_client:
        assert (await api_client.get("/v1/notifications")).json()["notifications"] == []


async def test_the_balance_adds_up(notifier: NotifierDriver) -> None:
    await notifier.handle(
        changed(),
        changed(Change.REPAIRED, 2),
        changed(episode="two", kept_back=KeptBack.HISTORIC),
        changed(episode="three", therapist="t-unknown"),
    )
    async with notifier.api_client() as api_client:
        balance = (await api_client.get("/v1/balance")).json()
    assert balance["messages"]["inbox"] == {"sent": 3}
    email = balance["messages"]["email"]
    assert {state: count for state, count in email.items() if count} == {"cancelled": 1}
    assert balance["kept_back"] == {"historic": 1}
    assert balance["not_sent"]["email"] == {"historic": 1, "quiet-change": 1, "no-address": 1}


async def test_health_answers_and_metrics_name_no_one(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.operator() as operator:
        assert (await operator.get("/livez")).status_code == 200
        page = (await operator.get("/metrics")).text
    assert 'rapport_decisions_total{channel="email",outcome="told",reason="to-review"}' in page
    assert [word for word in ("north", "t-1", "canary") if word in page] == []
