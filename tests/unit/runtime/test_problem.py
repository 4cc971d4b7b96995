"""Problems say what was wrong and what is expected, and never what was sent."""

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.runtime.http.problem import FieldError, Problem, install

SECRET = "maria.muster@example.org"


class Body(BaseModel):
    """What the test's door takes."""

    model_config = {"extra": "forbid"}

    number: int = Field(ge=0, le=10)
    word: str = Field(default="x", max_length=5)


@pytest.fixture
def app() -> FastAPI:
    """An application with one door of each kind."""
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
    """One request."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as asker:
        return await asker.request(method, path, **options)  # type: ignore[arg-type]


async def test_a_problem_has_the_members_of_rfc_9457(app: FastAPI) -> None:
    answer = await ask(app, "GET", "/problem")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
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
    answer = await ask(app, "POST", "/body", json=body)

    assert answer.status_code == 422
    assert SECRET not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_broken_json_is_not_repeated_either(app: FastAPI) -> None:
    answer = await ask(app, "POST", "/body", content=f'{{"number": {SECRET}'.encode())

    assert answer.status_code == 422
    assert SECRET not in answer.text


async def test_a_limit_is_named(app: FastAPI) -> None:
    answer = await ask(app, "POST", "/body", json={"number": 99})

    assert answer.json()["errors"] == [
        {"field": "body.number", "message": "less than equal", "expected": "at most 10"}
    ]


@pytest.mark.parametrize(("path", "status"), [("/http", 410), ("/fault", 500), ("/nowhere", 404)])
async def test_every_error_is_a_problem_without_the_words_of_the_exception(
    app: FastAPI, path: str, status: int
) -> None:
    answer = await ask(app, "GET", path)

    assert answer.json()["status"] == answer.status_code == status
    assert SECRET not in answer.text
