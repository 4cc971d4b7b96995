"""The real Alertmanager sends one notification for one cause, with the configuration that is shipped."""

import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.support.monitoring import ALERTMANAGER_FILE, alertmanager_words, running
from tests.support.ports import lasting_ports
from tests.support.service_stack import wait_until

PAGES = ("ServiceDown", "KafkaUnreachable", "DatabaseUnreachable", "ConsumerHalted", "ModelUnusable")

pytestmark = pytest.mark.monitoring


def fires(name: str, severity: str = "page", **labels: str) -> dict[str, dict[str, str]]:
    """Return an alert as Prometheus sends it."""
    return {"labels": {"alertname": name, "severity": severity, **labels}}


LATE = [
    fires("HeartbeatMissing"),
    fires("ToldTooLate"),
    fires("ToldTooLate", "ticket"),
    fires("ToldTooLate", "ticket", job="detector"),
    fires("ReconciliationGap", topic="t", partition="3"),
]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Alertmanager; return its address."""
    folder, port = tmp_path_factory.mktemp("alertmanager"), lasting_ports()
    url = f"http://127.0.0.1:{port}"
    with running(alertmanager_words(ALERTMANAGER_FILE, folder, port), folder / "log", url):
        yield url


def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(
        ["amtool", "check-config", str(ALERTMANAGER_FILE)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("severity", "receiver"), [("page", "page"), ("ticket", "ticket"), ("none", "deadman")]
)
def test_each_severity_has_its_receiver(severity: str, receiver: str) -> None:
    words = [
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={ALERTMANAGER_FILE}",
        f"severity={severity}",
    ]

    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == receiver


@pytest.mark.parametrize(
    ("firing", "sent"),
    [
        *(([fires(cause, job="detector"), *LATE], {(cause, "page")}) for cause in PAGES),
        (LATE, {("HeartbeatMissing", "page")}),
        (
            [fires("CredentialsUnreadable", job="ingest"), fires("IngestErrorBudgetBurn")],
            {("CredentialsUnreadable", "page")},
        ),
        (
            [fires("KafkaUnreachable"), fires("ReconciliationGap", schema="detector")],
            {("KafkaUnreachable", "page"), ("ReconciliationGap", "page")},
        ),
        (
            [fires("ServiceDown", "ticket", job="ingest"), fires("HeartbeatMissing")],
            {("ServiceDown", "ticket"), ("HeartbeatMissing", "page")},
        ),
        (
            [fires("ConsumerHalted", job="detector"), fires("RecordsRejected", job="detector")],
            {("ConsumerHalted", "page")},
        ),
    ],
)
def test_one_cause_is_one_notification(
    alertmanager: str,
    request: pytest.FixtureRequest,
    firing: list[dict[str, dict[str, str]]],
    sent: set[tuple[str, str]],
) -> None:
    with httpx.Client(base_url=f"{alertmanager}/api/v2", trust_env=False) as client:
        client.post("/alerts", json=firing).raise_for_status()
        try:
            wait_until(lambda: _sent(client) == sent, f"exactly {sent} is sent")
        finally:
            ended = [{**alert, "endsAt": "2026-01-01T00:00:00Z"} for alert in firing]
            client.post("/alerts", json=ended).raise_for_status()
            wait_until(lambda: _sent(client) == set(), f"nothing fires after {request.node.name}")


def _sent(client: httpx.Client) -> set[tuple[str, str]]:
    """Return the alerts that fire and are not inhibited."""
    return {
        (alert["labels"]["alertname"], alert["labels"]["severity"])
        for alert in client.get("/alerts", params={"inhibited": False}).json()
        if not alert["status"]["inhibitedBy"]
    }
