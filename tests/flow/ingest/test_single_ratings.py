"""One rating over HTTP: what is answered, and what lies in the log."""

from pathlib import Path

from schemas.envelope import CONTENT_TYPE, SessionRatedEvent, decode
from schemas.ids import Dyad, record_key
from schemas.instruments.catalogue import Catalogue
from services.runtime.kafka.producer import partition_of
from tests.support.backend import Backend
from tests.support.ingest.running import RATING, SECRET, MovedClock, Running, running_ingest


async def test_an_accepted_rating_lies_in_the_log_before_it_is_answered(
    backend: Backend, tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(backend.kafka_env, tmp_path, clock=clock) as ingest:
        response = await ingest.post(ingest.key("p-1"), {**RATING, "id": "r-1", "case_id": "k"})
        (record,) = await ingest.published("p-1")
    assert response.status_code == 202
    assert response.json() == {"id": "r-1", "status": "accepted", "status_url": "/v1/ratings/r-1"}
    key = record_key(SECRET, Dyad("p-1", "t-12", "c-7f3a91", "k"))  # type: ignore[arg-type]
    assert record.key == key
    assert record.partition == partition_of(key, backend.partitions)
    assert record.headers == [("content-type", CONTENT_TYPE)]
    assert record.event["data"] == {
        "rating_id": "r-1",
        "practice_id": "p-1",
        "therapist_id": "t-12",
        "client_id": "c-7f3a91",
        "case_id": "k",
        "session_id": "s-1",
        "session_at": "2026-11-20T09:00:00Z",
        "instrument": "srs",
        "status": "rated",
        "items": [9.2, 8.8, 9.0, 9.1],
        "accepted_at": "2026-11-23T12:00:00.000001Z",
        "content_hash": record.event["data"]["content_hash"],
    }
    event = decode(record.value)
    assert isinstance(event, SessionRatedEvent)
    assert event.subject == key.decode()


async def test_the_same_body_without_an_id_is_one_rating(ingest: Running) -> None:
    headers = ingest.key("same-body")
    first, again = await ingest.post(headers), await ingest.post(headers)
    assert first.json()["id"] == again.json()["id"]
    one, other = [record.event for record in await ingest.published("same-body")]
    assert one["id"] == other["id"]


async def test_the_same_body_of_another_practice_is_another_rating(ingest: Running) -> None:
    first = await ingest.post(ingest.key("one-practice"))
    other = await ingest.post(ingest.key("other-practice"))
    assert first.json()["id"] != other.json()["id"]


async def test_a_declined_form_is_accepted_without_marks(ingest: Running) -> None:
    body = {key: value for key, value in RATING.items() if key != "items"} | {"status": "declined"}
    response = await ingest.post(ingest.key("declined"), body)
    assert response.status_code == 202
    (record,) = await ingest.published("declined")
    assert record.event["data"]["status"] == "declined"
    assert "items" not in record.event["data"]


async def test_component_scores_are_accepted_instead_of_items(ingest: Running) -> None:
    body = {key: value for key, value in RATING.items() if key != "items"}
    response = await ingest.post(
        ingest.key("scores"), {**body, "scores": {"bond": 9, "goal": 8.5, "task": 7}}
    )
    assert response.status_code == 202
    (record,) = await ingest.published("scores")
    assert record.event["data"]["scores"] == {"bond": 9.0, "goal": 8.5, "task": 7.0}


async def test_of_two_ratings_at_one_moment_the_later_is_accepted_later(ingest: Running) -> None:
    headers = ingest.key("stamped")
    await ingest.post(headers, {**RATING, "items": [1, 1, 1, 1]})
    await ingest.post(headers, {**RATING, "items": [2, 2, 2, 2]})
    first, second = [record.event["data"]["accepted_at"] for record in await ingest.published("stamped")]
    assert first < second


async def test_a_dry_run_answers_scores_and_publishes_nothing(ingest: Running) -> None:
    headers = ingest.key("dry-run")
    response = await ingest.post(headers, {**RATING, "id": "r-1"}, query="?dry_run=true")
    assert response.status_code == 200
    assert response.json() == {
        "id": "r-1",
        "status": "valid",
        "scores": {"bond": 0.92, "goal": 0.88, "task": 0.9, "overall": 0.91},
        "in_units": {"bond": 9.2, "goal": 8.8, "task": 9.0, "overall": 9.1},
    }
    assert await ingest.published("dry-run") == []
    assert await ingest.metric("rapport_ingest_accepted_total") == 0


async def test_a_dry_run_of_a_declined_form_has_no_scores(ingest: Running) -> None:
    body = {key: value for key, value in RATING.items() if key != "items"} | {"status": "declined"}
    response = await ingest.post(ingest.key("dry-declined"), body, query="?dry_run=true")
    assert (response.json()["scores"], response.json()["in_units"]) == (None, None)


async def test_the_status_url_leads_to_where_results_are_asked_for(
    kafka_env: dict[str, str], tmp_path: Path
) -> None:
    async with running_ingest(kafka_env, tmp_path, results_url="https://results.test") as ingest:
        response = await ingest.post(ingest.key("elsewhere"), {**RATING, "id": "r-9"})
    assert response.json()["status_url"] == "https://results.test/v1/ratings/r-9"


async def test_the_door_reports_itself_ready_alive_and_counted(ingest: Running) -> None:
    await ingest.post(ingest.key("counted"))
    assert (await ingest.management.get("/livez")).json() == {"alive": True, "stuck": []}
    checks = {"credentials": "good", "kafka": "good"}
    assert (await ingest.management.get("/readyz")).json() == {
        "ready": True,
        "healthy": True,
        "checks": checks,
    }
    assert await ingest.metric("rapport_ingest_accepted_total") == 1
    assert await ingest.metric("rapport_ingest_unacknowledged_records") == 0


async def test_what_kafka_acknowledged_is_exported_by_partition(ingest: Running) -> None:
    async def acknowledged() -> float:
        page = (await ingest.management.get("/metrics")).text
        lines = [line for line in page.splitlines() if line.startswith("rapport_acknowledged_offset{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    before = await acknowledged()
    await ingest.post(ingest.key("acknowledged"))
    assert await acknowledged() > before


async def test_the_instruments_are_listed_as_data(ingest: Running) -> None:
    listed = (await ingest.http.get("/v1/instruments")).json()["instruments"]
    by_id = {each["id"]: each for each in listed}
    assert by_id.keys() == {each.id for each in Catalogue.load()}
    assert by_id["srs"]["components"] == {"bond": [1], "goal": [2], "task": [3], "overall": [4]}
