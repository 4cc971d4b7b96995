"""The OpenAPI document of the results describes what the routes answer."""

from pathlib import Path

from pydantic import SecretStr

from services.detector.openapi import openapi
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.runtime.http.credentials import CredentialStore
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.batch_driver import DetectorDriver, body
from tests.support.openapi_conformance import answers_of, served

STATUSES = {"200", "400", "401", "403", "404", "408", "422", "429", "431", "503"}


async def test_what_every_route_answers_is_in_the_document(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    await detector.rate(*[body(week, (4.5, 4.5, 4.5)) for week in range(3)], body(3, (2.5, 2.5, 2.5)))
    keys = tmp_path / "keys.json"
    results = results_pool(DatabaseSettings(url=SecretStr(database_url)))
    async with served(results_application(results, CredentialStore(keys), Erasures("detector"))) as url:
        answered = await answers_of(openapi(), url, keys, ["results:read", "ratings:write"])

    assert 200 in answered["GET /v1/balance"]
    assert answered["GET /v1/episodes"] >= {200, 422}
    assert answered["GET /v1/episodes/{episode_id}"] >= {404, 422}
    assert 200 in answered["GET /v1/ratings/{rating_id}"]
    assert answered["GET /v1/fhir/Observation"] >= {200, 422}
    assert answered["GET /v1/fhir/metadata"] == {200}


def test_every_route_declares_what_it_can_answer() -> None:
    document = openapi()
    routes = {path: next(iter(route.values())) for path, route in document["paths"].items()}
    declared = {path: set(route["responses"]) for path, route in routes.items()}
    renaming = {"/v1/clients/rename": STATUSES | {"409", "413"}}
    fhir = {"/v1/fhir/metadata": {"200", "408", "429", "431"}}
    assert declared == dict.fromkeys(document["paths"], STATUSES) | renaming | fhir
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, route in routes.items():
        edge = {"408", "429", "431"} if path.startswith("/v1/fhir") else set(route["responses"])
        for status in (route["responses"].keys() - {"200"}) & edge:
            (content,) = route["responses"][status]["content"].items()
            assert content == ("application/problem+json", {"schema": problem})
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
