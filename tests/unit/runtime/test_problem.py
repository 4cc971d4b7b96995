"""Problems say what is wrong and what is expected, and never repeat what was sent."""

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.runtime.http.error_responses import install
from services.runtime.http.problem import FieldError, Problem

SECRET = "maria.muster@example.org"


class Body(BaseModel):
    """The request body of the test's route."""

    model_config = {"extra": "forbid"}

    number: int = Field(ge=0, le=10)
    word: str = Field(default="x", max_length=5)


@pytest.fixture
def app() -> FastAPI:
    """Return an application with a route for each kind of error."""
    app = FastAPI()
    install(app)

    @app.post("/body")
    async def body(body: Body) -> int:
        return body.number

    @app.get("/problem")
    async def problem() -> None:
        raise Problem(
            429,
            "Too many",
            "Wait.",
            errors=[FieldError("n", "too many", "fewer")],
            headers={"Retry-After": "3"},
        )

    @app.get("/http")
    async def http() -> None:
        raise HTTPException(410, SECRET)

    @app.get("/fault")
    async def fault() -> None:
        raise ValueError(SECRET)

    return app


async def ask(app: FastAPI, method: str, path: str, **options: object) -> httpx.Response:
    """Send one request."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.request(method, path, **options)  # type: ignore[arg-type]


async def test_a_problem_has_the_members_of_rfc_9457(app: FastAPI) -> None:
    response = await ask(app, "GET", "/problem")

    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "3"
    assert response.json() == {
        "type": "about:blank",
        "title": "Too many",
        "status": 429,
        "detail": "Wait.",
        "errors": [{"field": "n", "message": "too many", "expected": "fewer"}],
    }


@pytest.mark.parametrize(
    "body",
    [
        {"number": SECRET},
        {"number": 99, "word": SECRET},
        {"number": 1, SECRET: 1},
        {"number": [SECRET]},
        [SECRET],
        SECRET,
    ],
)
async def test_what_was_sent_is_never_repeated(app: FastAPI, body: object) -> None:
    response = await ask(app, "POST", "/body", json=body)

    assert response.status_code == 422
    assert SECRET not in response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_broken_json_is_not_repeated_either(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", content=f'{{"number": {SECRET}'.encode())

    assert response.status_code == 422
    assert SECRET not in response.text


async def test_a_limit_that_was_exceeded_is_named(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", json={"number": 99})

    assert response.json()["errors"] == [
        {"field": "body.number", "message": "less than equal", "expected": "at most 10"}
    ]


@pytest.mark.parametrize(("path", "status"), [("/http", 410), ("/fault", 500), ("/nowhere", 404)])
async def test_every_error_is_a_problem_without_the_message_of_the_exception(
    app: FastAPI, path: str, status: int
) -> None:
    response = await ask(app, "GET", path)

    assert response.json()["status"] == response.status_code == status
    assert SECRET not in response.text
