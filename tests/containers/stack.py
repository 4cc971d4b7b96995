"""Tests the whole stack of docker-compose.yml as one timeline: start, use, faults, repair, scaling, removal.

    pytest tests/containers/stack.py        (`make compose-test`; no part of the other suites: minutes)

The tests run in this order; each continues from the state that the one before left.
"""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from schemas import topics
from services.detector.model.artefact import SHIPPED
from services.detector.model.manifest import MANIFEST_FILE
from tests.containers.compose_project import DETECTORS, SHIPPED_IN_IMAGE, Project, say, wait_until
from tests.containers.newer_version import NewerVersion
from tests.containers.open_batch import OpenBatch
from tests.containers.test_deployment_files import alerts, queries
from tests.containers.traffic import Traffic
from tests.support.images import image_of
from tests.support.observed_boards import OF_THE_MACHINE

pytestmark = [pytest.mark.docker, pytest.mark.timeout(480)]

LARGEST_IMAGE_BYTES = 450_000_000
SERVICES = ("ingest", "detector", "notifier")
RATINGS = 600
RATE = 200.0
TOPICS_OF_THE_DETECTOR = sum("detector" in topic.read_by for topic in topics.ALL)
PARTITIONS = 24

CONNECT = (
    "import os, psycopg; from pathlib import Path;"
    "word = Path(os.environ['DATABASE_PASSWORD_FILE']).read_text();"
    "rows = psycopg.connect(os.environ['DATABASE_URL'], password=word).execute;"
)


def test_the_image_is_small(project: Project) -> None:
    words = ["docker", "image", "inspect", "--format", "{{.Size}}", image_of("ingest")]
    size = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    say(f"{image_of('ingest')}: {size / 1e6:.0f} MB")

    assert size < LARGEST_IMAGE_BYTES


def test_one_command_ends_with_everything_healthy(project: Project) -> None:
    say(f"up and healthy in {project.up():.0f} s")

    assert "http://127.0.0.1" in project.compose("logs", "where")


def test_the_demonstration_accounts_for_everything(project: Project) -> None:
    say(f"at rest:\n{project.memory()}")
    shown = project.compose("--profile", "demo", "run", "--rm", "-T", "demo")
    say(f"{shown}\nafter the demonstration:\n{project.memory()}")

    assert "Everything that was sent is accounted for." in shown


def test_prometheus_reads_every_service(project: Project) -> None:
    def jobs(value: int) -> set[str]:
        return {each["metric"]["job"] for each in project.prometheus(f"up == {value}")}

    wait_until(lambda: set(SERVICES) <= jobs(1) and not jobs(0), "up == 1 for every service")


def test_no_alert_but_the_watchdog_is_raised_by_a_healthy_stack(project: Project) -> None:
    answer = httpx.get(f"{project.url('PROMETHEUS')}/api/v1/rules", trust_env=False, timeout=30).json()
    rules = [
        rule for group in answer["data"]["groups"] for rule in group["rules"] if rule["type"] == "alerting"
    ]

    assert {rule["name"] for rule in rules if rule["state"] == "firing"} == {"Watchdog"}
    assert {rule["name"] for rule in rules} == alerts()


def test_a_page_is_seen_in_the_mail_catcher(project: Project) -> None:
    made_up = {"labels": {"alertname": "MadeUp", "severity": "page"}}
    alertmanager, mails = f"{project.url('ALERTMANAGER')}/api/v2/alerts", f"{project.url('MAIL')}/mails"
    httpx.post(alertmanager, json=[made_up], trust_env=False, timeout=30).raise_for_status()

    wait_until(lambda: "MadeUp" in httpx.get(mails, trust_env=False, timeout=30).text, "a mail that names it")

    found = project.prometheus("prometheus_notifications_alertmanagers_discovered")
    assert [each["value"][1] for each in found] == ["1"]


@pytest.mark.parametrize("query", queries())
def test_the_dashboards_queries_are_answered(project: Project, query: str) -> None:
    project.prometheus(query)

    # A rate needs two scrapes. What asks for more than nothing may find nothing; no one watches the disks.
    may_find_nothing = query.endswith(("> 0", "== 0")) or OF_THE_MACHINE in query
    wait_until(lambda: bool(project.prometheus(query)) or may_find_nothing, f"an answer to {query}")


@pytest.mark.parametrize(
    ("service", "host"),
    [("notifier", "ingest"), ("notifier", "detector"), ("ingest", "postgres"), ("mail", "postgres")],
)
def test_a_service_meets_only_what_it_needs(project: Project, service: str, host: str) -> None:
    port = 5432 if host == "postgres" else 8080
    program = f"import socket; socket.create_connection(('{host}', {port}), 3)"

    assert re.search("gaierror|TimeoutError|refused", project.in_python(service, program))


@pytest.mark.parametrize(
    ("service", "file"),
    [
        ("ingest", "notifier/signing-secret"),
        ("ingest", "detector/database-password"),
        ("detector", "ingest/record-key"),
        ("detector", "operator/database-password"),
        ("notifier", "postgres/superuser-password"),
    ],
)
def test_a_service_cannot_read_the_secrets_of_another(project: Project, service: str, file: str) -> None:
    assert "PermissionError" in project.in_python(service, f"open('/run/rapport/{file}').read()")


def test_a_service_sees_only_its_own_schema(project: Project) -> None:
    program = f"{CONNECT}rows('SELECT * FROM notifier.therapist')"

    assert "permission denied for schema notifier" in project.in_python("detector", program)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_write_its_own_files(project: Project, service: str) -> None:
    assert "Read-only file system" in project.in_python(service, "open('/opt/rapport/x', 'w')")


def test_a_detector_killed_in_mid_stream_loses_nothing(project: Project, traffic: Traffic) -> None:
    def kill_and_start() -> None:
        project.compose("kill", "detector")
        project.start("detector")

    traffic.send(RATINGS, rate=RATE, midway=kill_and_start)
    traffic.assert_balanced()


def test_a_request_in_flight_is_answered_after_ingest_was_asked_to_end(project: Project) -> None:
    key = project.add_practice("south")
    south = Traffic("south", lambda: project.stack("south", key))
    ratings = [south._rating(number) for number in range(RATINGS)]
    counted = re.compile(r"^rapport_ingest_accepted_total (\S+)$", re.MULTILINE)

    def accepted() -> float:
        found = counted.search(project.text("INGEST_MANAGEMENT", "/metrics") or "")
        return float(found.group(1)) if found else -1

    before = accepted()
    batch = OpenBatch(project.url("INGEST"), key)
    batch.send(ratings[: RATINGS // 2])
    wait_until(lambda: accepted() == before + RATINGS / 2, "the first half is accepted")
    with ThreadPoolExecutor(1) as beside:
        ending = beside.submit(project.compose, "stop", "ingest")
        wait_until(lambda: project.text("INGEST", "/livez") is None, "ingest takes nobody in any more")
        batch.send(ratings[RATINGS // 2 :])
        results = batch.end()
        ending.result()

    assert [result["status"] for result in results] == ["accepted"] * RATINGS
    assert project.exit_codes("ingest") == ["0"]
    project.start("ingest")
    south.accepted = RATINGS
    south.assert_balanced()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_asked_to_end_in_mid_stream_ends_by_itself_and_loses_nothing(
    project: Project, traffic: Traffic, service: str
) -> None:
    codes = []

    def stop_and_start() -> None:
        project.compose("stop", service)
        codes.extend(project.exit_codes(service))
        project.start(service)

    traffic.send(RATINGS, rate=RATE, midway=stop_and_start)

    assert codes == ["0"]
    traffic.assert_balanced()


def test_a_detector_with_another_model_scores_nothing_and_catches_up_with_its_own(
    project: Project, traffic: Traffic, tmp_path: Path
) -> None:
    manifest = json.loads((SHIPPED / MANIFEST_FILE).read_text())
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({**manifest, "sha256": "0" * 64}))
    mounted = f"{tmp_path / MANIFEST_FILE}:{SHIPPED_IN_IMAGE}/{MANIFEST_FILE}:ro"
    changed = project.changed(tmp_path / "changed.json", {"detector": {"volumes": [mounted]}})
    traffic.assert_balanced()
    project.compose(*changed, "up", "--detach", "--no-build", "--no-deps", "detector")
    wait_until(lambda: "its hash differs" in project.checks("detector"), "the detector says why")
    before = project.count("detector.assessment")
    traffic.send(RATINGS, rate=RATE)

    assert project.count("detector.assessment") == before
    assert "its hash differs" in project.compose("logs", "detector")
    project.start("detector")
    traffic.assert_balanced()


@pytest.mark.parametrize("store", ["kafka", "postgres"])
def test_a_restart_of_a_store_in_mid_stream_loses_nothing(
    project: Project, traffic: Traffic, store: str
) -> None:
    traffic.send(RATINGS, rate=RATE, midway=lambda: project.compose("restart", store))
    traffic.assert_balanced()


def test_a_restored_backup_catches_up_by_itself(project: Project, traffic: Traffic) -> None:
    traffic.assert_balanced()
    backup = project.dump("postgres", "pg_dump", "--username=postgres", "--format=custom", "rapport")
    traffic.send(1000, rate=500)
    traffic.assert_balanced()
    project.compose("stop", "detector", "notifier")
    project.compose(
        *("exec", "-T", "postgres", "pg_restore", "--username=postgres", "--dbname=postgres"),
        *("--clean", "--if-exists", "--create", "--exit-on-error"),
        given=backup,
    )
    project.start("detector", "notifier")

    traffic.assert_balanced()


def test_three_detectors_split_the_partitions_and_balance(project: Project, traffic: Traffic) -> None:
    project.up("--no-recreate", "--scale", f"detector={DETECTORS}")

    def owned() -> list[float]:
        query = "sum by (instance) (rapport_consumer_assigned{job='detector'})"
        return [float(each["value"][1]) for each in project.prometheus(query)]

    wait_until(
        lambda: (
            len(owned()) == DETECTORS
            and min(owned()) > 0
            and sum(owned()) == PARTITIONS * TOPICS_OF_THE_DETECTOR
        ),
        "each of three detectors owns some partitions, and together all",
        deadline_s=120,
    )
    say(f"partitions owned: {owned()}")
    traffic.send(RATINGS, rate=RATE)
    traffic.assert_balanced()


def test_an_upgrade_migrates_first_and_loses_nothing(
    project: Project, traffic: Traffic, tmp_path: Path
) -> None:
    newer = NewerVersion(project, tmp_path)

    traffic.send(
        RATINGS, rate=RATE, midway=lambda: project.compose(*newer.words, "up", "--wait", "--no-build")
    )

    running = project.compose("ps", "--format", "{{.Service}} {{.Image}}").splitlines()
    assert {f"{service} {newer.image}" for service in SERVICES} <= set(running)
    assert project.in_python("detector", f"{CONNECT}print(rows('TABLE {newer.table}').fetchall())") == "[]"
    traffic.assert_balanced()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_ends_by_itself_when_it_is_asked_to(project: Project, service: str) -> None:
    project.compose("stop", service)
    codes = project.exit_codes(service)

    assert codes
    assert set(codes) == {"0"}


def test_nothing_is_left_behind(project: Project) -> None:
    project.remove()

    assert project.left_behind() == []
