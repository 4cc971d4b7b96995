"""One trace leads from a request to the therapist's inbox item; without an address there is none."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from services.cli.demo.input_ratings import NetworkSize, simulate_ratings
from tests.support.backend import embedded_backend
from tests.support.otlp_collector import Collector, running_collector
from tests.support.postgres import fresh_database
from tests.support.service_stack import running_stack

ALLOWED = {
    "messaging.system",
    "messaging.destination.name",
    "messaging.destination.partition.id",
    "messaging.kafka.offset",
    "messaging.batch.message_count",
    "rapport.lines",
}
"""The attributes of spans: none of them can hold an id of a practice, client or therapist."""


@pytest.fixture(scope="module")
def items(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, int]]:
    """What a collector got of a small practice's ratings, and how many items they led to."""
    folder = tmp_path_factory.mktemp("traces")
    size = NetworkSize(clients=20, sessions=10, practices=1, therapists=3)
    bodies: list[Mapping[str, object]] = [one.body for one in simulate_ratings(size, 7, folder)[0]]
    with (
        running_collector() as collector,
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
    ):
        environment = {"TRACES_URL": collector.url}
        with running_stack(backend, database, folder / "home", environment=environment) as stack:
            stack.send("north", bodies)
            episodes = len(stack.settled().episodes)
        yield collector, episodes


def test_one_trace_leads_from_the_request_to_the_inbox_item(items: tuple[Collector, int]) -> None:
    collector, episodes = items
    assert episodes, "nobody was told, so this would prove nothing"
    requests = {span.span_id: span for span in collector.of("ingest")}
    detected = {span.span_id: span for span in collector.of("detector")}
    told = [span for span in collector.of("notifier") if span.name.endswith("episode-changed.v1")]

    assert told
    for span in told:
        cause = detected[span.parent_id]
        request = requests[cause.parent_id]
        assert span.trace_id == cause.trace_id == request.trace_id
        assert request.parent_id == ""
    assert not any(span.failed for span in collector.spans)


def test_no_attribute_of_a_span_can_name_anybody(items: tuple[Collector, int]) -> None:
    collector, _ = items
    assert {name for span in collector.spans for name in span.attributes} <= ALLOWED
    assert {span.name for span in collector.spans} <= {
        "ingest ratings",
        "detector alliance.session-rated.v1",
        "notifier alliance.episode-changed.v1",
        "notifier alliance.assessed.v1",
        "detector alliance.therapist-responded.v1",
    }


@pytest.mark.parametrize("service", ["ingest.app", "detector.app", "notifier.wiring"])
def test_without_an_address_nothing_of_the_sdk_is_loaded(service: str) -> None:
    program = (
        f"import sys, services.{service}, services.runtime.process.entrypoint;"
        "print([one for one in sys.modules if one.startswith('opentelemetry.') and '.sdk' in one])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
