"""Calls every route of an OpenAPI document with good and bad requests and compares the responses with it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.result import Err, Result
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from structlog.testing import capture_logs

from services.runtime.http.key_file import add_key
from services.runtime.http.server import serve
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings

Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]

NDJSON = "application/x-ndjson"
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8
"""Requests for each route, good ones and as many bad ones."""


@schemathesis.serializer(NDJSON)
def _to_lines(_context: object, value: object) -> bytes:
    # The document gives the schema of one line, which is the whole body here.
    return value if isinstance(value, bytes) else f"{json.dumps(value)}\n".encode()


@schemathesis.deserializer(NDJSON)
def _first_line(_context: object, response: Response) -> object:
    lines = response.content.splitlines()
    return json.loads(lines[0]) if lines else {"line": 1, "status": "stopped"}


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application behind the services' own edge; yield its URL."""
    stop = asyncio.Event()
    with capture_logs() as logs:
        serving = asyncio.create_task(serve(app, HttpSettings(), Metrics("test"), stop=stop))
        try:
            async with asyncio.timeout(20):
                while not logs and not serving.done():  # noqa: ASYNC110 - log lines cannot be awaited
                    await asyncio.sleep(0.005)
            yield next(entry["url"] for entry in logs if entry["event"] == "listening")
        finally:
            stop.set()
            await serving


async def answers_of(
    document: Mapping[str, Any], url: str, keys: Path, scopes: Sequence[str]
) -> dict[str, set[int]]:
    """Call every route with generated requests and with every kind of wrong key; return the statuses of each.

    The service reads its keys from the file `keys`.

    Raises:
        FailureGroup: a response is not as the document says.
        AssertionError: a wrong key did not get the status that is meant for it.
    """

    def key(grants: Sequence[str], key_scopes: Sequence[str], *, network: bool = False) -> dict[str, str]:
        added = add_key(keys, grants=grants, scopes=key_scopes, network=network)
        return {"Authorization": f"Bearer {added.secret}"}

    good = key(["north"], scopes)
    wrong = {
        401: {},
        403: key(["north"], ["none"]),
        404: {**good, "Rapport-Practice": "south"},
        400: key(["north", "south"], scopes, network=True),
    }
    schema = schemathesis.openapi.from_dict(dict(document))
    operations = [_usable(found) for found in schema.get_all_operations()]

    def call() -> dict[str, set[int]]:
        answered: dict[str, set[int]] = {operation.label: set() for operation in operations}
        with requests.Session() as session:
            session.trust_env = False
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    for case in _cases(operation, mode):
                        answered[operation.label].add(_call(case, session, url, good))
                if operation.definition.raw.get("security"):
                    for expected, headers in wrong.items():
                        case = _cases(operation, GenerationMode.POSITIVE, most=1)[0]
                        assert _call(case, session, url, headers) == expected, operation.label
        return answered

    return await asyncio.to_thread(call)


def _usable(found: Result[Operation, InvalidSchema]) -> Operation:
    if isinstance(found, Err):
        raise found.err()
    return found.ok()


def _cases(operation: Operation, mode: GenerationMode, most: int = EXAMPLES) -> Sequence[AnyCase]:
    cases: list[AnyCase] = []

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def collect(case: AnyCase) -> None:
        cases.append(case)

    try:
        collect()
    except Unsatisfiable:
        # Nothing about a request without parameters and without a body can be wrong.
        assert mode is GenerationMode.NEGATIVE, operation.label
    return cases


def _call(case: AnyCase, session: requests.Session, url: str, headers: Mapping[str, str]) -> int:
    for name in ("Authorization", "Rapport-Practice"):
        case.headers.pop(name, None)
    case.headers.update(headers)
    response = case.call(base_url=url, session=session)
    case.validate_response(response, checks=CHECKS)
    return int(response.status_code)
