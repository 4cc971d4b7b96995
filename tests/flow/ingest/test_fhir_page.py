"""The examples of docs/fhir.md are taken as they stand, and HL7's validator finds no error in a resource."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response

from schemas.components import Component
from schemas.events import Status
from schemas.ids import Dyad, InstrumentId, RatingIdentity, SessionId, dyad_id
from schemas.instruments.catalogue import Catalogue
from services.detector.contracts import Numbers
from services.detector.openapi import openapi as results_document
from services.detector.published.events import published_assessment
from services.detector.results.observation import observation_of
from services.detector.results.observations import CAPABILITIES as RESULTS_CAPABILITIES
from services.ingest.fhir.texts import BUNDLE, DECLINED, RESPONSE
from services.notifier.api.communications import CAPABILITIES as NOTIFIER_CAPABILITIES
from services.notifier.api.communications import communication_of
from services.runtime.http.searchset import searchset
from tests.flow.ingest.test_fhir import send
from tests.support.fhir_resources import bundle, response
from tests.support.fhir_validator import validate
from tests.support.ingest.running import Running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "fhir.md"
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
WHO = Dyad("p", "t-12", "c-1")  # type: ignore[arg-type]


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def examples() -> dict[str, dict[str, Any]]:
    """The page's resources, by type."""
    found = [json.loads(block) for block in blocks("json")]
    return {each["resourceType"]: each for each in found if "resourceType" in each}


def observation(status: Status = Status.RATED, risk: float | None = 0.25) -> dict[str, Any]:
    """An Observation as the results serve it."""
    identity = RatingIdentity(WHO.practice_id, WHO.client_id, SessionId("s"), InstrumentId("srs"))
    components = {Component.BOND: (0.1, 9.0, 9.2, -0.2), Component.GOAL: (0.1, None, None, None)}
    numbers = Numbers("r-1", AT, status, "v1", "m1", ratings=1, risk=risk, threshold=0.4)
    if risk is not None:
        numbers = Numbers(
            "r-1", AT, status, "v1", "m1", ratings=1, risk=risk, threshold=0.4, components=components
        )
    return observation_of(dyad_id(WHO), WHO, identity, published_assessment(WHO, identity, 2, numbers))


def communication(channel: str, state: str | None) -> dict[str, Any]:
    """A Communication as the notifier serves it."""
    return communication_of((uuid4(), 1, "opened", channel, "to-review", "t-12", "c-1", AT, state, AT))


async def test_the_pages_responses_and_bundles_are_accepted(ingest: Running) -> None:
    headers = ingest.key("page")
    one = await send(ingest, headers, examples()["QuestionnaireResponse"])
    many = await send(ingest, headers, examples()["Bundle"], "")
    assert one.status_code == 202
    assert [each["response"]["status"] for each in many.json()["entry"]] == [
        "202 Accepted", "200 OK", "200 OK",
    ]  # fmt: skip
    sent = {
        record.event["data"]["rating_id"]: record.event["data"] for record in await ingest.published("page")
    }
    assert sent["r-100023"]["items"] == [9.2, 8.8, 9.0, 9.1]
    declined = sent["r-100024"]
    assert (declined["status"], declined["client_id"], declined["therapist_id"]) == (
        "declined", "c-2204", "t-12",
    )  # fmt: skip
    assert declined["session_at"] == "2026-11-20T10:00:00Z"


def test_the_pages_file_of_questionnaires_is_read(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "own.toml").write_text(text)
    own = Catalogue.load(tmp_path).get("srs").questionnaires
    assert len(own) == 3
    assert own[1].codes["https://practice.example/marks|high"] == 7.5


def test_the_page_names_every_code() -> None:
    codes = {part["code"]["coding"][0]["code"] for part in observation()["component"]} | {
        observation()["code"]["coding"][0]["code"]
    }
    text = PAGE.read_text(encoding="utf-8")
    assert [code for code in codes if f"`{code}`" not in text] == []
    assert "/v1/fhir/Observation" in results_document()["paths"]


@pytest.mark.fhir
async def test_a_validator_finds_no_error_in_any_resource(ingest: Running, tmp_path: Path) -> None:
    headers = ingest.key("validated")
    answers: list[tuple[str, Response]] = [
        ("accepted", await send(ingest, headers, response())),
        ("valid", await send(ingest, headers, response(), "/QuestionnaireResponse?dry_run=true")),
        ("refused", await send(ingest, headers, response("subject", status="in-progress"))),
        ("unauthenticated", await send(ingest, {}, response())),
        ("batch", await send(ingest, headers, bundle(response(), response("subject")), "")),
        ("transaction", await send(ingest, headers, bundle(response(), type_="transaction"), "")),
        (
            "refused transaction",
            await send(ingest, headers, bundle(response("subject"), type_="transaction"), ""),
        ),
        ("ingest", await ingest.http.get("/v1/fhir/metadata")),
    ]
    observations = [
        observation(),
        observation(Status.WITHDRAWN, None) | {"id": str(uuid4())},
        observation(Status.CANCELLED, None) | {"id": str(uuid4())},
    ]
    communications = [
        communication("inbox", None),
        communication("email", "pending"),
        communication("email", "failed"),
    ]
    resources: list[tuple[str, dict[str, Any]]] = [
        *((f"page {name}", each) for name, each in examples().items()),
        *(("document", each) for each in (RESPONSE, DECLINED, BUNDLE)),
        *((name, answer.json()) for name, answer in answers),
        ("results", RESULTS_CAPABILITIES),
        ("notifier", NOTIFIER_CAPABILITIES),
        ("observations", searchset("Observation", observations, {"_count": 3}, "next")),
        ("communications", searchset("Communication", communications, {}, None)),
        ("nothing", searchset("Communication", [], {}, None)),
    ]
    wrong = response(status="complete")
    found = validate([*resources, ("wrong", wrong)], tmp_path)
    assert [each for each in found if "wrong" not in each.resource] == []
    assert any("wrong" in each.resource and "complete" in each.text for each in found)
