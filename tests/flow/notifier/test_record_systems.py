"""What a record system reads of the notifier: Communications, and the card of CDS Hooks."""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.events import Change, KeptBack
from schemas.fhir import names
from services.notifier.api.cds_hooks import SERVICE
from tests.flow.notifier.test_pages import ITEM
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver

CLIENT = "c-77"
CALL: Mapping[str, Any] = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "fhirServer": "https://ehr.test/fhir",
    "context": {"userId": "Practitioner/t-1", "patientId": CLIENT, "encounterId": "e-1"},
}


async def cards(notifier: NotifierDriver, **context: str) -> list[dict[str, Any]]:
    """The cards that a call with this context gets."""
    async with notifier.api_client() as client:
        call = {**CALL, "context": {**CALL["context"], **context}}
        answer = await client.post(f"/cds-services/{SERVICE}", json=call)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


async def communications(notifier: NotifierDriver, query: str = "") -> dict[str, Any]:
    """The bundle that a search answers."""
    async with notifier.api_client() as client:
        answer = await client.get(f"/v1/fhir/Communication{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json")
    bundle: dict[str, Any] = answer.json()
    return bundle


async def test_each_told_change_is_a_communication_for_each_channel(notifier: NotifierDriver) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    bundle = await communications(notifier)
    found = {each["resource"]["medium"][0]["coding"][0]["code"]: each["resource"] for each in bundle["entry"]}
    inbox = found["inbox"]
    assert inbox["status"] == "completed"
    assert inbox["subject"]["identifier"] == {"system": names.CLIENT, "value": CLIENT}
    assert inbox["recipient"][0]["identifier"] == {"system": names.THERAPIST, "value": "t-1"}
    assert inbox["about"][0]["identifier"]["value"] == str(episode_named("one"))
    assert inbox["payload"] == [{"contentString": "There is something to look at before the next session."}]
    assert found["email"]["status"] == "preparation"
    assert "sent" not in found["email"]


async def test_what_was_held_back_is_no_communication(notifier: NotifierDriver) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT, kept_back=KeptBack.HISTORIC))
    assert "entry" not in await communications(notifier)


async def test_pages_of_communications_lead_on(notifier: NotifierDriver) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    seen, query = [], "?_count=1"
    for _ in range(5):
        bundle = await communications(notifier, query)
        following = [each["url"] for each in bundle["link"] if each["relation"] == "next"]
        seen += [each["resource"]["id"] for each in bundle.get("entry", [])]
        if not following:
            break
        query = f"?{following[0].partition('?')[2]}"
    assert len(seen) == len(set(seen)) >= 2


async def test_a_waiting_item_is_a_card_that_says_nothing_about_it(notifier: NotifierDriver) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    (card,) = await cards(notifier)
    assert card["summary"] == (
        "There is something for you to look at before your next session. It takes about two minutes."
    )
    assert (card["indicator"], card["source"]) == ("info", {"label": "Rapport"})
    (link,) = card["links"]
    assert (link["type"], link["label"]) == ("absolute", "Review it")
    assert link["url"].endswith(ITEM)
    assert link["url"].startswith("http")
    assert card.keys() == {"uuid", "summary", "indicator", "source", "links"}


@pytest.mark.parametrize("context", [{"userId": "Practitioner/t-2"}, {"patientId": "c-other"}])
async def test_others_get_no_card(notifier: NotifierDriver, context: dict[str, str]) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    assert await cards(notifier, **context) == []


async def test_an_item_that_asks_nothing_is_no_card(notifier: NotifierDriver) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    await notifier.handle(changed(Change.REPAIRED, revision=2, client=CLIENT))
    assert await cards(notifier) == []


async def test_the_identifier_of_a_prefetched_patient_is_the_client_as_well(
    notifier: NotifierDriver,
) -> None:
    await notifier.add_therapist()
    await notifier.handle(changed(client=CLIENT))
    patient = {"resourceType": "Patient", "id": "9", "identifier": [{"system": "urn:x", "value": CLIENT}]}
    call = {
        **CALL,
        "context": {"userId": "Practitioner/t-1", "patientId": "9"},
        "prefetch": {"patient": patient},
    }
    async with notifier.api_client() as client:
        answer = await client.post(f"/cds-services/{SERVICE}", json=call)
    assert len(answer.json()["cards"]) == 1


async def test_the_service_is_found_without_a_key_and_called_with_one(notifier: NotifierDriver) -> None:
    async with notifier.api_client() as client:
        found = await client.get("/cds-services", headers={"Authorization": ""})
        refused = await client.post(f"/cds-services/{SERVICE}", json=CALL, headers={"Authorization": ""})
    (service,) = found.json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", SERVICE)
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")


async def test_errors_of_the_fhir_routes_are_outcomes(notifier: NotifierDriver) -> None:
    async with notifier.api_client() as client:
        wrong = await client.get("/v1/fhir/Communication?after=x")
        nobody = await client.get("/v1/fhir/Communication", headers={"Authorization": ""})
        missing = await client.get("/v1/fhir/Nothing")
    assert (wrong.status_code, nobody.status_code, missing.status_code) == (400, 401, 404)
    assert {each.json()["resourceType"] for each in (wrong, nobody, missing)} == {"OperationOutcome"}
