"""The OpenAPI document of the notifier describes what the routes of its API answer."""

import httpx

from services.notifier.openapi import openapi
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.openapi_conformance import answers_of, served

READ = {"200", "400", "401", "403", "404", "408", "422", "429", "431", "503"}
DECLARED = {
    "GET /v1/balance": READ,
    "GET /v1/notifications": READ,
    "GET /v1/therapists/{therapist_id}": READ,
    "DELETE /v1/therapists/{therapist_id}": READ - {"200"} | {"204"},
    "PUT /v1/therapists/{therapist_id}": READ | {"201", "413"},
    "PUT /v1/clients/{client_id}/next-session": READ | {"413"},
    "GET /v1/fhir/Communication": READ,
    "GET /v1/fhir/metadata": {"200", "408", "429", "431"},
    "GET /cds-services": {"200"},
    "POST /cds-services/rapport-to-review": READ | {"413"},
}


async def test_what_every_route_answers_is_in_the_document(notifier: NotifierDriver) -> None:
    async with served(notifier.app) as url:
        answered = await answers_of(
            openapi(), url, notifier.credentials, ["therapists:write", "results:read"]
        )
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            head = {"Authorization": f"Bearer {notifier.key}"}
            large = await client.put("/v1/therapists/t-1", content=b" " * 100_000, headers=head)

    assert answered.keys() == DECLARED.keys()
    assert 200 in answered["GET /v1/balance"]
    assert answered["GET /v1/notifications"] >= {200, 422}
    assert answered["PUT /v1/therapists/{therapist_id}"] >= {201, 422}
    assert answered["PUT /v1/clients/{client_id}/next-session"] >= {200, 422}
    assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")


def test_every_route_declares_what_it_can_answer() -> None:
    routes = openapi()["paths"]
    declared = {
        f"{method.upper()} {path}": set(route["responses"])
        for path, methods in routes.items()
        for method, route in methods.items()
    }
    assert declared == DECLARED
