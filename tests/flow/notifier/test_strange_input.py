"""No path, query, form or body with strange characters is our fault: a page or a problem says so."""

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver

STRANGE = ["\x00", "a\x00b", "\ud800", "\u2066", "%00", "'\"<>&", "x" * 200]


def api_routes(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    """Yield every route, those of included routers too."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        included = getattr(route, "original_router", None)
        if included is not None:
            # FastAPI's paths are those of the router that is included; ours have their prefix there.
            yield from api_routes(included.routes)


def fields(dependant: Dependant) -> tuple[list[str], list[str]]:
    """Return the names of a route's query parameters and of its form's fields."""
    query = [one.alias for one in dependant.query_params]
    form = [one.alias for one in dependant.body_params if "Form" in type(one.field_info).__name__]
    return query, form


def requests(notifier: NotifierDriver, csrf: str, strange: str) -> Iterator[httpx.Request]:
    """Yield a request for every route and each of its parameters, where this one has a strange value."""
    good = {"csrf": csrf, "episode_id": str(episode_named("one"))}
    quoted = "".join(f"%{byte:02X}" for byte in strange.encode("utf-8", "surrogatepass"))
    for route in api_routes(notifier.app.routes):
        query, form = fields(route.dependant)
        names = [one.alias for one in route.dependant.path_params]
        for method in sorted(route.methods or ()):
            for name in names:
                path = route.path.replace(f"{{{name}}}", quoted)
                yield httpx.Request(
                    method, f"http://rapport.example{filled(path, good)}", data={"csrf": csrf}
                )
            path = f"http://rapport.example{filled(route.path, good)}"
            for name in query:
                yield httpx.Request(method, f"{path}?{name}={quoted}")
            for name in form if method == "POST" else []:
                values = "&".join(f"{one}={good.get(one, 'x')}" for one in form if one != name)
                head = {"content-type": "application/x-www-form-urlencoded"}
                body = f"{values}&{name}={quoted}".lstrip("&")
                yield httpx.Request(method, path, content=body, headers=head)


def filled(path: str, good: dict[str, str]) -> str:
    """Return a route's path with ordinary values in place of its parameters."""
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace(f"{{{name}}}", good.get(name, str(uuid4())))
    return path


@pytest.mark.parametrize("strange", STRANGE, ids=ascii)
async def test_no_parameter_of_any_route_causes_a_fault_of_ours(
    notifier: NotifierDriver, strange: str
) -> None:
    await notifier.handle(changed())
    failed, asked = [], 0
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        transport = httpx.ASGITransport(notifier.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as anyone:
            for request in requests(notifier, csrf, strange):
                for head in ({"cookie": cookie}, {"authorization": f"Bearer {notifier.key}"}):
                    request.headers.update(head)
                    answer = await anyone.send(request)
                    asked += 1
                    if answer.status_code >= 500:
                        failed.append(f"{request.method} {request.url.path}?{request.url.query!r}")
    assert asked > 60
    assert failed == []


@pytest.mark.parametrize("strange", STRANGE[:4], ids=ascii)
async def test_no_field_of_a_body_causes_a_fault_of_ours(notifier: NotifierDriver, strange: str) -> None:
    entry = {"address": strange, "locale": strange, "time_zone": strange, "supervisor": strange}
    hook = {"url": f"https://hooks.example/{strange}", "secret": strange}
    statements = [{"therapist_id": strange, "at": None}, {"therapist_id": "t-1", "at": strange}]
    bodies = [
        *(("/v1/therapists/t-9", {name: value}) for name, value in entry.items()),
        ("/v1/therapists/t-9", {"address": f"a{strange}@north.example"}),
        ("/v1/therapists/t-9", {"webhook": hook}),
        *(("/v1/clients/c-1/next-session", one) for one in statements),
    ]
    transport = httpx.ASGITransport(notifier.app, raise_app_exceptions=False)
    head = {"Authorization": f"Bearer {notifier.key}", "content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://rapport.example") as system:
        statuses = {
            str(body): (await system.put(path, content=json.dumps(body), headers=head)).status_code
            for path, body in bodies
        }
    assert set(statuses.values()) == {422}, statuses


async def test_no_redirect_follows_the_host_that_a_request_names(notifier: NotifierDriver) -> None:
    async with notifier.browser() as browser:
        for path in ("/sign-in/", "/settings/", "/v1/therapists/t-1/", "/guide//"):
            answer = await browser.get(path, headers={"host": "evil.example"})
            assert (answer.status_code, answer.headers.get("location")) == (404, None)
