"""Assessments as FHIR Observations: what a record system reads of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from schemas.fhir import names
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.key_file import add_key
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.batch_driver import DetectorDriver, body


@asynccontextmanager
async def asked(database_url: str, folder: Path, practice: str = "north") -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of the practice."""
    keys = folder / "keys.json"
    key = add_key(keys, grants=[practice], scopes=["results:read"])
    results = results_pool(DatabaseSettings(url=SecretStr(database_url)))
    app = results_application(results, CredentialStore(keys), Erasures("detector"))
    head = {"Authorization": f"Bearer {key.secret}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://results.test", headers=head
        ) as client,
    ):
        yield client


async def search(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    """The bundle that a search answers."""
    answer = await client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json")
    bundle: dict[str, Any] = answer.json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    return bundle


async def test_an_assessment_is_an_observation_with_risk_and_marks(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    await detector.rate(
        *[body(week, (4.5, 4.5, 4.5), id=f"r-{week}") for week in range(3)],
        body(3, (2.5, 2.5, 2.5), id="r-3"),
    )
    async with asked(database_url, tmp_path) as client:
        bundle = await search(client, "/v1/fhir/Observation")
        rating = (await client.get("/v1/ratings/r-3")).json()
    found = [entry["resource"] for entry in bundle["entry"]]
    assert [each["identifier"][0]["value"] for each in found] == ["r-0", "r-1", "r-2", "r-3"]
    last = found[-1]
    assert bundle["entry"][-1]["fullUrl"] == f"urn:uuid:{last['id']}"
    assert last["valueQuantity"]["value"] == rating["assessment"]["risk"]
    assert last["referenceRange"][0]["high"]["value"] == rating["assessment"]["threshold"]
    assert last["meta"]["versionId"] == str(rating["assessment"]["revision"])
    assert last["code"]["coding"][0]["system"] == names.CODES
    assert last["subject"]["identifier"] == {"system": names.CLIENT, "value": "client-1"}
    marks = {
        part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
        for part in last["component"]
        if "valueQuantity" in part
    }
    assert (marks["bond"], marks["goal"], marks["task"]) == (2.5, 2.5, 2.5)
    assert marks["bond-usual"] == rating["assessment"]["components"]["bond"]["usual"]
    assert "It is no diagnosis." in last["note"][0]["text"]


async def test_a_withdrawn_rating_is_an_observation_entered_in_error(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    await detector.rate(body(0, (4.5, 4.5, 4.5), id="r-0"))
    async with asked(database_url, tmp_path) as client:
        (before,) = (await search(client, "/v1/fhir/Observation"))["entry"]
        await detector.rate(body(0, None, id="r-1", status="withdrawn"))
        (after,) = (await search(client, "/v1/fhir/Observation"))["entry"]
    assert (before["resource"]["status"], after["resource"]["status"]) == ("final", "entered-in-error")
    assert before["resource"]["id"] == after["resource"]["id"]
    assert "valueQuantity" not in after["resource"]
    assert after["resource"]["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"


async def test_pages_lead_to_every_assessment_once(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    await detector.rate(*[body(week, (4.5, 4.5, 4.5), id=f"r-{week}") for week in range(5)])
    seen: list[str] = []
    async with asked(database_url, tmp_path) as client:
        address: str | None = "/v1/fhir/Observation?_count=2&subject=client-1"
        while address is not None:
            bundle = await search(client, address)
            seen += [entry["resource"]["identifier"][0]["value"] for entry in bundle.get("entry", [])]
            address = next((each["url"] for each in bundle["link"] if each["relation"] == "next"), None)
        nobody = await search(client, "/v1/fhir/Observation?subject=client-9")
        wrong = await client.get("/v1/fhir/Observation?after=x")
    assert seen == [f"r-{week}" for week in range(5)]
    assert "entry" not in nobody
    assert (wrong.status_code, wrong.json()["resourceType"]) == (400, "OperationOutcome")


async def test_the_capabilities_name_the_search(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    async with asked(database_url, tmp_path) as client:
        answer = await client.get("/v1/fhir/metadata", headers={"Authorization": ""})
    (rest,) = answer.json()["rest"]
    assert [each["type"] for each in rest["resource"]] == ["Observation"]
