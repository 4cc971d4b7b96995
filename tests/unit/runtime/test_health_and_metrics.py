"""Readiness names its reasons, liveness notices a stuck loop, and metrics exist from the start."""

import httpx
import pytest
from fastapi import FastAPI

from services.runtime.http.health import Health, health_router, management_application
from services.runtime.process.consumer_metrics import ConsumerMetrics, RecordOutcome, RetryReason
from services.runtime.process.metrics import Metrics
from tests.support.clock import ManualClock


@pytest.fixture
def metrics() -> Metrics:
    """Return the metrics of a service."""
    return ConsumerMetrics("sample", topics=["in"], reject_reasons=["refused"])


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


async def ask(health: Health, metrics: Metrics, path: str) -> httpx.Response:
    """Send one request to the management port."""
    return await ask_application(management_application(FastAPI(), health, metrics), path)


async def ask_application(app: FastAPI, path: str) -> httpx.Response:
    """Send one request."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        return await client.get(path)


async def test_a_service_is_not_ready_before_its_checks_are_good(
    metrics: Metrics, clock: ManualClock
) -> None:
    response = await ask(Health(clock, metrics, ["model"]), metrics, "/readyz")

    assert response.status_code == 503
    assert response.json() == {"ready": False, "healthy": False, "checks": {"model": "starting"}}


async def test_health_shows_the_reason_until_the_check_is_good_again(
    metrics: Metrics, clock: ManualClock
) -> None:
    health = Health(clock, metrics, ["kafka", "database"])
    health.set_good("kafka")
    health.set_bad("database", "no response")
    bad = await ask(health, metrics, "/healthz")
    health.set_good("database")
    good = await ask(health, metrics, "/healthz")

    assert bad.status_code == 503
    assert bad.json()["checks"] == {"database": "no response", "kafka": "good"}
    assert (good.status_code, good.json()["healthy"]) == (200, True)


async def test_a_service_whose_kafka_and_database_are_away_is_ready_and_not_healthy(
    metrics: Metrics, clock: ManualClock
) -> None:
    health = Health(clock, metrics, ["kafka", "database", "consumer", "credentials"])
    health.set_good("credentials")
    ready, healthy = [await ask(health, metrics, path) for path in ("/readyz", "/healthz")]

    assert (ready.status_code, healthy.status_code) == (200, 503)
    assert ready.json() == healthy.json()
    assert (ready.json()["ready"], ready.json()["healthy"]) == (True, False)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_the_public_port_says_whether_and_never_why(
    metrics: Metrics, clock: ManualClock, path: str
) -> None:
    health = Health(clock, metrics, ["credentials", "kafka"], stuck_after_s=60)
    health.beat("consume")
    app = FastAPI(openapi_url=None)
    app.include_router(health_router(health))
    clock.move(61)
    bad = await ask_application(app, path)
    health.beat("consume")
    health.set_good("credentials")
    health.set_good("kafka")
    good = await ask_application(app, path)

    assert (bad.status_code, list(bad.json().values())) == (503, [False])
    assert (good.status_code, list(good.json().values())) == (200, [True])


async def test_the_management_port_answers_all_that_the_public_one_does(
    metrics: Metrics, clock: ManualClock
) -> None:
    public = FastAPI(openapi_url=None)
    public.get("/v1/things")(lambda: {"things": 3})
    app = management_application(public, Health(clock, metrics), metrics, lambda: {"openapi": "3.1.0"})

    assert (await ask_application(app, "/v1/things")).json() == {"things": 3}
    assert (await ask_application(app, "/openapi.json")).json() == {"openapi": "3.1.0"}
    assert (await ask_application(public, "/openapi.json")).status_code == 404


async def test_a_probe_is_asked_whenever_health_is(metrics: Metrics, clock: ManualClock) -> None:
    health = Health(clock, metrics)
    health.add_probe(lambda: health.set_bad("credentials", "cannot be read"))

    assert (await ask(health, metrics, "/readyz")).status_code == 503


async def test_a_loop_that_does_not_beat_is_not_alive(metrics: Metrics, clock: ManualClock) -> None:
    health = Health(clock, metrics, stuck_after_s=60)
    health.beat("consume")
    clock.move(60)
    alive = await ask(health, metrics, "/livez")
    clock.move(1)
    stuck = await ask(health, metrics, "/livez")

    assert alive.status_code == 200
    assert (stuck.status_code, stuck.json()["stuck"]) == (503, ["consume"])


async def test_a_loop_that_ended_on_purpose_is_alive(metrics: Metrics, clock: ManualClock) -> None:
    health = Health(clock, metrics)
    health.beat("consume")
    health.end_loop("consume")
    clock.move(1000)

    assert (await ask(health, metrics, "/livez")).status_code == 200


def test_every_label_value_is_exported_from_the_start(metrics: Metrics) -> None:
    page = metrics.exposition()[0].decode()

    for reason in RetryReason:
        assert f'rapport_retries_total{{reason="{reason}"}} 0.0' in page
    for outcome in RecordOutcome:
        assert f'rapport_record_outcomes_total{{outcome="{outcome}",topic="in"}} 0.0' in page
    for reason_code in ("undecodable", "unprocessable", "refused"):
        assert f'rapport_rejections_total{{reason="{reason_code}"}} 0.0' in page


def test_two_services_in_one_process_do_not_share_metrics() -> None:
    first, second = ConsumerMetrics("first"), ConsumerMetrics("second")
    first.commit_failures.inc()

    assert second.registry.get_sample_value("rapport_commit_failures_total") == 0


async def test_the_page_names_service_and_version(metrics: Metrics, clock: ManualClock) -> None:
    response = await ask(Health(clock, metrics), metrics, "/metrics")

    assert 'service="sample"' in response.text


def test_a_time_that_has_not_come_yet_is_no_number(metrics: Metrics) -> None:
    page = metrics.exposition()[0].decode()

    assert "rapport_last_progress_timestamp_seconds NaN" in page
    assert "rapport_last_batch_timestamp_seconds NaN" in page


def test_no_series_says_when_another_was_created(metrics: Metrics) -> None:
    assert "_created" not in metrics.exposition()[0].decode()


def test_a_service_that_consumes_nothing_exports_nothing_about_consuming() -> None:
    page = Metrics("ingest", topics=["out"]).exposition()[0].decode()

    assert 'rapport_records_published_total{topic="out"} 0.0' in page
    assert [line for line in page.splitlines() if "consumer" in line or "batch" in line] == []


def test_readiness_is_a_metric(metrics: Metrics, clock: ManualClock) -> None:
    def exported() -> tuple[float | None, float | None]:
        value = metrics.registry.get_sample_value
        return value("rapport_ready"), value("rapport_healthy")

    health = Health(clock, metrics, ["kafka", "credentials"])
    at_first = exported()
    health.set_good("credentials")
    ready = exported()
    health.set_good("kafka")

    assert (at_first, ready, exported()) == ((0, 0), (1, 0), (1, 1))


@pytest.mark.parametrize(("variable", "shown"), [("4f2c", "4f2c"), ("", "unknown")])
def test_the_revision_that_the_image_was_built_from_is_a_label(
    monkeypatch: pytest.MonkeyPatch, variable: str, shown: str
) -> None:
    monkeypatch.setenv("RAPPORT_REVISION", variable)

    (info,) = Metrics("sample").registry.restricted_registry(["rapport_build_info"]).collect()

    assert info.samples[0].labels["revision"] == shown
