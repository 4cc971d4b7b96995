"""The OpenAPI document describes what the routes do."""

import re
from typing import Any

import jsonschema
import pytest

from services.ingest.app import application
from tests.support.ingest.running import Running
from tests.support.openapi_conformance import answers_of

DOCUMENT: dict[str, Any] = application().openapi()
RATINGS = DOCUMENT["paths"]["/v1/ratings"]["post"]
BATCH = DOCUMENT["paths"]["/v1/ratings/batch"]["post"]
EXAMPLES = RATINGS["requestBody"]["content"]["application/json"]["examples"]


def check(value: object, schema: dict[str, Any]) -> None:
    """Fail unless the value fits a schema of the document."""
    jsonschema.validate(value, {**schema, "components": DOCUMENT["components"]})


@pytest.mark.parametrize("name", list(EXAMPLES))
async def test_every_example_of_a_rating_is_accepted_as_it_stands(ingest: Running, name: str) -> None:
    response = await ingest.post(ingest.key("examples"), EXAMPLES[name]["value"])
    assert response.status_code == 202
    check(response.json(), RATINGS["responses"]["202"]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_every_example_of_a_rating_fits_its_schema(name: str) -> None:
    check(EXAMPLES[name]["value"], RATINGS["requestBody"]["content"]["application/json"]["schema"])


async def test_the_example_of_a_batch_is_accepted_as_it_stands(ingest: Running) -> None:
    body = BATCH["requestBody"]["content"]["application/x-ndjson"]["example"]
    response = await ingest.batch(ingest.key("batch-example"), body.encode())
    assert response.text.count('"status":"accepted"') == 2


@pytest.mark.parametrize("status", [s for s, each in RATINGS["responses"].items() if "content" in each])
def test_every_example_of_an_answer_fits_its_schema(status: str) -> None:
    for shown in RATINGS["responses"][status]["content"].values():
        check(shown.get("example", {"type": "", "title": "", "status": 0}), shown["schema"])


async def test_what_a_dry_run_and_a_refusal_answer_fits_the_document(ingest: Running) -> None:
    headers = ingest.key("document")
    tried = await ingest.post(headers, query="?dry_run=true")
    refused = await ingest.post(headers, {})
    check(tried.json(), RATINGS["responses"]["200"]["content"]["application/json"]["schema"])
    check(refused.json(), RATINGS["responses"]["422"]["content"]["application/problem+json"]["schema"])


def test_every_status_that_ingest_answers_is_documented() -> None:
    assert set(RATINGS["responses"]) == {
        "200", "202", "400", "401", "403", "404", "408", "413", "415", "422", "429", "431", "503",
    }  # fmt: skip


async def test_what_every_route_answers_is_in_the_document(ingest: Running) -> None:
    answered = await answers_of(DOCUMENT, ingest.url, ingest.keys, ["ratings:write"])
    assert answered["POST /v1/ratings"] >= {202, 422}
    assert 200 in answered["POST /v1/ratings/batch"]
    assert answered["GET /v1/instruments"] == {200}


async def test_the_documentation_page_and_all_it_loads_come_from_here(ingest: Running) -> None:
    page = await ingest.management.get("/docs")
    loaded = re.findall(r"""(?:src|href|url)[=:]\s*["']([^"']+)["']""", page.text)

    assert page.status_code == 200
    assert len(loaded) >= 4
    for address in loaded:
        assert address.startswith(("/", str(ingest.management.base_url))), address
        answer = await ingest.management.get(address)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), address
