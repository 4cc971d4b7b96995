"""Each response names the id of its request, and so do the log lines that the request causes."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI

from services.runtime.http.request_ids import HEADER
from services.runtime.http.server import serve
from services.runtime.process.log import configure, get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings, LogSettings
from tests.unit.runtime.test_server import BackgroundWork

CALLERS = "maria-muster"

pytestmark = pytest.mark.usefixtures("logging_as_before")


async def answers(app: FastAPI, paths: list[str], capsys: pytest.CaptureFixture[str]) -> list[httpx.Response]:
    """Return the answers of a real server to requests on one connection."""
    work, stop = BackgroundWork(), asyncio.Event()
    serving = asyncio.create_task(serve(app, HttpSettings(), Metrics("test"), beside=[work], stop=stop))
    await work.started.wait()
    (url,) = [json.loads(line)["url"] for line in capsys.readouterr().out.splitlines() if "listening" in line]
    async with httpx.AsyncClient(base_url=url, headers={HEADER: CALLERS}) as client:
        found = [await client.get(path) for path in paths]
    stop.set()
    await serving
    return found


async def test_responses_and_log_lines_name_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(), "sample")
    app = FastAPI()

    @app.get("/good")
    async def good() -> None:
        await asyncio.sleep(0)
        get_logger().info("in-request")

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError(CALLERS)

    first, second, third, missing = await answers(app, ["/good", "/good", "/broken", "/missing"], capsys)

    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    ids = [one.headers[HEADER] for one in (first, second, third, missing)]
    assert [line["request_id"] for line in lines if line["event"] == "in-request"] == ids[:2]
    assert [line["request_id"] for line in lines if line["level"] == "error"] == [ids[2]]
    assert len(set(ids)) == 4
    assert (third.status_code, missing.status_code) == (500, 404)
    assert CALLERS not in out
    assert "request_id" not in next(line for line in lines if line["event"] == "stopping")
