"""Every response to a sandbox's key says that the data is made up, errors among them."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.runtime.http.credentials import CredentialStore
from services.runtime.http.error_responses import install
from services.runtime.http.key_file import SANDBOX_PREFIX, add_key
from services.runtime.http.problem import Problem
from services.runtime.http.sandbox_header import HEADER
from services.runtime.http.server import serve
from services.runtime.http.tenant_auth import Tenant, tenant_router
from services.runtime.process.log import configure
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings, LogSettings
from tests.unit.runtime.test_server import BackgroundWork

pytestmark = pytest.mark.usefixtures("logging_as_before")


async def test_only_responses_to_a_sandbox_have_the_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LogSettings(), "sample")
    file = tmp_path / "keys.json"
    keys = {
        practice: add_key(file, grants=[practice], scopes=["read"]).secret
        for practice in ("north", "north.sandbox")
    }
    router = tenant_router(CredentialStore(file), "read", prefix="/v1", tag="sample")

    @router.get("/good")
    async def good(practice: Tenant) -> str:
        return practice

    @router.get("/missing")
    async def missing(practice: Tenant) -> str:
        raise Problem(404, "Not found")

    app = FastAPI()
    app.include_router(router)
    install(app)
    work, stop = BackgroundWork(), asyncio.Event()
    serving = asyncio.create_task(serve(app, HttpSettings(), Metrics("test"), beside=[work], stop=stop))
    await work.started.wait()
    (url,) = [json.loads(line)["url"] for line in capsys.readouterr().out.splitlines() if "listening" in line]
    found = {}
    async with httpx.AsyncClient(base_url=url) as client:
        for practice, key in keys.items():
            for path in ("/v1/good", "/v1/missing"):
                answer = await client.get(path, headers={"Authorization": f"Bearer {key}"})
                found[practice, path] = (answer.status_code, answer.headers.get(HEADER))
        foreign = {"Authorization": f"Bearer {keys['north.sandbox']}", "Rapport-Practice": "north"}
        revoked = {"Authorization": f"bearer  {SANDBOX_PREFIX}no-longer-known"}
        for name, path, headers in (
            ("foreign", "/v1/good", foreign),
            ("revoked", "/v1/good", revoked),
            ("no such path", "/v1/none", foreign),
            ("no key", "/v1/good", {}),
        ):
            answer = await client.get(path, headers=headers)
            found[name, path] = (answer.status_code, answer.headers.get(HEADER))
    stop.set()
    await serving
    assert found == {
        ("north", "/v1/good"): (200, None),
        ("north", "/v1/missing"): (404, None),
        ("north.sandbox", "/v1/good"): (200, "true"),
        ("north.sandbox", "/v1/missing"): (404, "true"),
        ("foreign", "/v1/good"): (404, "true"),
        ("revoked", "/v1/good"): (401, "true"),
        ("no such path", "/v1/none"): (404, "true"),
        ("no key", "/v1/good"): (401, None),
    }
