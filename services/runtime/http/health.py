"""Tracks what works and why not; says whether on the public port, and why not on the management port."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics

STARTING = "starting"

TABLES_CHECK = "tables"
"""The check that is bad while this version does not run on the tables that it finds."""
DOOR_CHECKS = frozenset({"credentials", "model", "requests", TABLES_CHECK})
"""The checks without which a service can answer no request.

A service whose Kafka or PostgreSQL is away still answers: with 503 and `Retry-After`, or with a page that
says so. A load balancer that took it away would leave its callers without that answer.
"""


class Health:
    """Named checks, each bad until it is set good; the process is healthy while all are good.

    It is ready for requests while those of `DOOR_CHECKS` are good.

    A background loop must call `beat` at least every `stuck_after_s` seconds, pauses included. A loop that
    does not is stuck, and the process is no longer alive. A loop that halted is not stuck: an operator must
    act, and a restart would only hide the reason.
    """

    def __init__(
        self, clock: Clock, metrics: Metrics, checks: Iterable[str] = (), *, stuck_after_s: float = 120.0
    ) -> None:
        self._clock = clock
        self.metrics = metrics
        self._stuck_after_s = stuck_after_s
        self._beats: dict[str, float] = {}
        self._hanging: set[str] = set()
        self._bad: dict[str, str] = {}
        self._checks: set[str] = set()
        self._probes: list[Callable[[], None]] = []
        for name in checks:
            self.set_bad(name, STARTING)

    def set_good(self, name: str) -> None:
        """Mark the named check as good."""
        self._checks.add(name)
        self._bad.pop(name, None)
        self._update_metrics(name)

    def set_bad(self, name: str, why: str) -> None:
        """Mark the named check as bad; operators see `why`, which must contain no payload and no secret."""
        self._checks.add(name)
        self._bad[name] = why
        self._update_metrics(name)

    def beat(self, loop: str) -> None:
        """Note that the named loop is alive."""
        self._beats[loop] = self._clock.monotonic()

    def end_loop(self, loop: str) -> None:
        """Expect no further beat of the named loop, because it ended or halted on purpose."""
        self._beats.pop(loop, None)

    def set_hanging(self, loop: str, *, is_hanging: bool) -> None:
        """Say whether the named loop is stuck although it beats: it goes round and gets nothing done."""
        (self._hanging.add if is_hanging else self._hanging.discard)(loop)

    def add_probe(self, probe: Callable[[], None]) -> None:
        """Have `probe` set its check whenever the health of the process is asked for."""
        self._probes.append(probe)

    def probe(self) -> None:
        """Set the checks that are only known once somebody looks."""
        for probe in self._probes:
            probe()

    @property
    def healthy(self) -> bool:
        """Whether all checks are good."""
        return not self._bad

    def is_good(self, *names: str) -> bool:
        """Whether none of the named checks is bad."""
        return self._bad.keys().isdisjoint(names)

    @property
    def can_answer(self) -> bool:
        """Whether requests can be answered."""
        return DOOR_CHECKS.isdisjoint(self._bad)

    @property
    def stuck(self) -> tuple[str, ...]:
        """The loops that have not called `beat` for too long, or hang."""
        now = self._clock.monotonic()
        silent = {name for name, at in self._beats.items() if now - at > self._stuck_after_s}
        return tuple(sorted(silent | self._hanging))

    @property
    def checks(self) -> Mapping[str, str]:
        """Every check with `good` or the reason why it is bad."""
        return {name: self._bad.get(name, "good") for name in sorted(self._checks)}

    def _update_metrics(self, name: str) -> None:
        self.metrics.check_good.labels(check=name).set(0 if name in self._bad else 1)
        self.metrics.ready.set(1 if self.can_answer else 0)
        self.metrics.healthy.set(1 if self.healthy else 0)


def health_router(health: Health) -> APIRouter:
    """Return the three routes of every public port, which give no reason; none needs a broker or a database.

    A load balancer asks /readyz, a supervisor that waits for a start asks /healthz.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> JSONResponse:
        alive = not health.stuck
        return JSONResponse({"alive": alive}, _status(is_good=alive))

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        health.probe()
        return JSONResponse({"ready": health.can_answer}, _status(is_good=health.can_answer))

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        health.probe()
        return JSONResponse({"healthy": health.healthy}, _status(is_good=health.healthy))

    return router


def management_application(
    public: FastAPI,
    health: Health,
    metrics: Metrics,
    document: Callable[[], dict[str, Any]] | None = None,
    page: Callable[[FastAPI], None] = lambda _app: None,
) -> FastAPI:
    """Return the application of the management port: health with its reasons, metrics, the OpenAPI document.

    Everything else is answered as on the public port, so that the `page` of the document can try it out.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.get("/livez")
    async def livez() -> JSONResponse:
        stuck = health.stuck
        return JSONResponse({"alive": not stuck, "stuck": list(stuck)}, _status(is_good=not stuck))

    def standing(*, is_good: bool) -> JSONResponse:
        content = {"ready": health.can_answer, "healthy": health.healthy, "checks": health.checks}
        return JSONResponse(content, _status(is_good=is_good))

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        health.probe()
        return standing(is_good=health.can_answer)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        health.probe()
        return standing(is_good=health.healthy)

    @app.get("/metrics")
    async def metrics_page() -> Response:
        health.probe()
        text, content_type = metrics.exposition()
        return Response(text, media_type=content_type)

    if document is not None:
        published = cache(document)

        @app.get("/openapi.json")
        async def openapi() -> JSONResponse:
            return JSONResponse(published())

    page(app)
    app.mount("/", public)
    return app


def _status(*, is_good: bool) -> int:
    return 200 if is_good else 503
