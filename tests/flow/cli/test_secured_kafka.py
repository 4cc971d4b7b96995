"""The whole flow over a Kafka that asks for TLS and a password; a wrong one is said, and nothing is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from schemas.topics import PARTITIONS
from tests.support.backend import Backend, apply_topics
from tests.support.certificate_authority import CertificateAuthority
from tests.support.secured_kafka import SecuredKafka, secured_kafka, unsecured_token
from tests.support.service_stack import running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    """One node for all these tests."""
    with secured_kafka() as node:
        yield node


def backend_of(environment: Mapping[str, str]) -> Backend:
    return Backend("secured", environment["KAFKA_BOOTSTRAP_SERVERS"], environment, PARTITIONS)


def rating(number: int) -> dict[str, object]:
    return {
        "client_id": f"c-{number}",
        "therapist_id": "t-1",
        "session_id": f"s-{number}",
        "session_at": "2026-01-05T10:00:00+01:00",
        "instrument": "srs",
        "items": [9.0, 8.8, 9.1, 9.0],
    }


def settings_of(kafka: SecuredKafka, way: str, folder: Path) -> Mapping[str, str]:
    """Return the environment for one way to connect."""
    if way == "TLS":
        return kafka.tls()
    if way == "certificate":
        return kafka.certificate(kafka.authority.client_file("rapport"))
    if way == "OAUTHBEARER":
        token = folder / "token"
        token.write_text(unsecured_token("rapport"))
        return kafka.token({"KAFKA_OAUTH_TOKEN_FILE": str(token)})
    return kafka.sasl(way)


@pytest.mark.parametrize("way", ["TLS", "PLAIN", "SCRAM-SHA-512", "certificate", "OAUTHBEARER"])
def test_ratings_flow_over_a_protected_connection(
    kafka: SecuredKafka, database_url: str, tmp_path: Path, way: str
) -> None:
    environment = settings_of(kafka, way, tmp_path)
    apply_topics(environment)

    # A group of its own: the topics are those of the test before.
    own = {"DETECTOR_GROUP": f"detector-{way}", "NOTIFIER_GROUP": f"notifier-{way}"}
    with running_stack(backend_of(environment), database_url, tmp_path, environment=own) as stack:
        report = stack.send("north", [rating(number) for number in range(20)])
        wait_until(lambda: stack.balance().deliveries["assessed"] == 20, "every rating is assessed")

    assert report.accepted == 20


@pytest.mark.parametrize("wrong", ["password", "certificate", "own certificate", "token"])
def test_what_does_not_fit_is_said_and_never_the_password(
    kafka: SecuredKafka, database_url: str, tmp_path: Path, wrong: str
) -> None:
    environment = dict(kafka.sasl("SCRAM-SHA-512"))
    if wrong == "password":
        (tmp_path / "wrong").write_text("a wrong password")
        environment["KAFKA_SASL_PASSWORD_FILE"] = str(tmp_path / "wrong")
    elif wrong == "own certificate":
        stranger = CertificateAuthority(tmp_path).client_file("rapport")
        environment = dict(kafka.certificate(stranger))
    elif wrong == "token":
        (tmp_path / "wrong").write_text(unsecured_token("a wrong password", lives_s=-3600))
        environment = dict(kafka.token({"KAFKA_OAUTH_TOKEN_FILE": str(tmp_path / "wrong")}))
    else:
        del environment["KAFKA_SSL_CA_FILE"]

    with running_stack(backend_of(environment), database_url, tmp_path, start=()) as stack:
        stack.supervisor.processes["ingest"].start()
        url = stack.supervisor.management_urls["ingest"]

        def says_why() -> bool:
            try:
                answer = httpx.get(f"{url}/healthz", trust_env=False)
            except httpx.TransportError:
                return False
            return answer.status_code == 503 and "kafka" in answer.text

        wait_until(says_why, "ingest says that Kafka cannot be reached")
        log = stack.supervisor.processes["ingest"].log.read_text()
    assert "a wrong password" not in log


def test_doctor_reaches_a_protected_kafka(kafka: SecuredKafka, database_url: str) -> None:
    nowhere = {f"RAPPORT_{name}_URL": "http://127.0.0.1:9" for name in ("INGEST", "RESULTS", "NOTIFIER")}
    environment = {**os.environ, **kafka.sasl("SCRAM-SHA-256"), "DATABASE_URL": database_url, **nowhere}
    command = [sys.executable, "-m", "services.cli", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert f"at {kafka.sasl_address}, 1 broker(s)" in " ".join(done.stdout.split()), done.stdout + done.stderr
