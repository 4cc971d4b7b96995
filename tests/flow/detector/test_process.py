"""The detector as it runs: a process that reads topics, answers over HTTP, and says when it cannot score."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.envelope import decode
from schemas.events import AllianceAssessed, ClientRenamed
from services.cli.local.child_process import ChildProcess
from services.detector.model.artefact import SHIPPED
from services.detector.model.manifest import read_manifest
from services.runtime.http.key_file import add_key
from services.runtime.kafka.record import Record
from tests.support.backend import Backend
from tests.support.detector.batch_driver import body, record_of
from tests.support.ports import free_port
from tests.support.service_stack import wait_until


@contextmanager
def running(kafka_env: Mapping[str, str], url: str, folder: Path, **more: str) -> Iterator[ChildProcess]:
    """Start a detector process, and stop it at the end."""
    port, management_port = free_port(), free_port()
    environment = {
        **kafka_env,
        "DATABASE_URL": url,
        "HTTP_PORT": str(port),
        "HTTP_MANAGEMENT_PORT": str(management_port),
        "RAPPORT_CREDENTIALS_FILE": str(folder / "credentials.json"),
        **more,
    }
    process = ChildProcess(
        "detector",
        ["-m", "services.detector"],
        environment,
        folder / "log",
        f"http://127.0.0.1:{port}",
        management_url=f"http://127.0.0.1:{management_port}",
    )
    process.start()
    try:
        yield process
    finally:
        process.stop()


async def send(backend: Backend, records: Sequence[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=backend.bootstrap)
    await producer.start()
    try:
        for one in records:
            partition = one.partition % backend.partitions
            await producer.send_and_wait(one.topic, one.value, key=one.key, partition=partition)
    finally:
        await producer.stop()


def metrics_once_assessed(url: str, key: str) -> str:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        wait_until(lambda: client.get("/v1/ratings/one").json()["status"] == "assessed", "it is assessed")
        return client.get("/metrics").text


async def test_a_rating_is_assessed_published_and_readable_over_http(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    key = add_key(tmp_path / "credentials.json", grants=["north"], scopes=["results:read"])
    record = record_of(body(0, [4] * 9, id="one"), 0)
    with running(backend.kafka_env, database_url, tmp_path) as process:
        process.wait_ready(30)
        await send(backend, [record])
        page = metrics_once_assessed(process.management_url, key.secret)
    assert 'rapport_ratings_total{outcome="assessed"} 1.0' in page
    assert 'rapport_check_good{check="model"} 1.0' in page
    assert "rapport_session_risk_count 1.0" in page
    assert 'rapport_stage_seconds_count{stage="assess"}' in page
    assert 'rapport_stage_seconds_count{stage="assess"} 0.0' not in page
    assert f'sha256="{read_manifest(SHIPPED).sha256}"' in page
    assert 'rapport_http_requests_total{class="2xx",door="management"} 0.0' not in page
    consumer = AIOKafkaConsumer(bootstrap_servers=backend.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        place = TopicPartition(topics.ASSESSED.name, record.partition % backend.partitions)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        data = decode((await consumer.getone()).value).data
    finally:
        await consumer.stop()
    assert isinstance(data, AllianceAssessed)
    assert (data.rating_id, data.revision) == ("one", 1)


async def test_a_client_is_renamed_over_http_and_the_renaming_is_published(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    key = add_key(tmp_path / "credentials.json", grants=["north"], scopes=["results:read", "ratings:write"])
    head = {"Authorization": f"Bearer {key.secret}"}
    with running(backend.kafka_env, database_url, tmp_path) as process:
        process.wait_ready(30)
        await send(backend, [record_of(body(0, [4] * 9, id="one"), 0)])
        metrics_once_assessed(process.management_url, key.secret)
        async with httpx.AsyncClient(base_url=process.url, headers=head, trust_env=False) as client:
            sent = {"client_id": "client-1", "new_client_id": "x-2"}
            answer = await client.post("/v1/clients/rename", json=sent)
            assert answer.status_code == 200, answer.text
            status = (await client.get("/v1/ratings/one")).json()
    assert status["assessment"]["client_id"] == "x-2"
    consumer = AIOKafkaConsumer(bootstrap_servers=backend.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        place = TopicPartition(topics.EPISODE_CHANGED.name, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        data = decode((await consumer.getone()).value).data
    finally:
        await consumer.stop()
    assert isinstance(data, ClientRenamed)
    assert (data.former_client_id, data.client_id) == ("client-1", "x-2")


async def test_an_accepted_rating_is_never_not_found_and_one_never_sent_is(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    key = add_key(tmp_path / "credentials.json", grants=["north"], scopes=["results:read"])
    head = {"Authorization": f"Bearer {key.secret}"}
    ids = [f"rating-{number}" for number in range(20)]
    answers: Counter[tuple[int, str]] = Counter()
    with running(backend.kafka_env, database_url, tmp_path) as process:
        process.wait_ready(30)
        async with httpx.AsyncClient(base_url=process.url, headers=head, trust_env=False) as client:
            async with asyncio.timeout(30):
                while (await client.get("/v1/ratings/none")).status_code != 404:
                    pass
            for number, id_ in enumerate(ids):
                await send(backend, [record_of(body(number - len(ids), [4] * 9, id=id_), number)])
                status = "pending"
                while status == "pending":
                    answer = await client.get(f"/v1/ratings/{id_}")
                    status = answer.json()["status"]
                    answers[answer.status_code, status] += 1
            assert (await client.get("/v1/ratings/none")).status_code == 404
    assert answers[200, "assessed"] == len(ids), answers
    assert {code for code, _ in answers} == {200}


@pytest.mark.parametrize("file", ["model.skops", "manifest.json"])
def test_without_its_model_it_is_never_ready_and_readiness_gives_the_reason(
    database_url: str, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for one in SHIPPED.iterdir():
        if one.name != file and one.is_file():
            (folder / one.name).write_bytes(one.read_bytes())
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with running(nowhere, database_url, tmp_path, DETECTOR_MODEL_DIR=str(folder)) as process:
        client = httpx.Client(base_url=process.management_url, trust_env=False)

        def checks() -> str:
            try:
                return client.get("/readyz").text
            except httpx.TransportError:
                return ""

        wait_until(lambda: "cannot be read" in checks(), "readiness says why")
        assert client.get("/livez").status_code == 200
        assert client.get("/v1/balance").status_code == 404
        client.close()
