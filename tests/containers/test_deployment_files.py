"""Checks the Dockerfile, compose file, alerts, runbooks and dashboard without starting anything."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.topics import ALL
from tests.support.images import ROOT, compose_file

SERVICES: dict[str, Any] = compose_file()["services"]
ONCE = {"secrets", "topics", "migrate", "where", "rapport", "demo-key", "demo"}
ALERTS = [
    "ServiceDown",
    "KafkaUnreachable",
    "DatabaseUnreachable",
    "ConsumerHalted",
    "ModelUnusable",
    "CredentialsUnreadable",
    "HeartbeatMissing",
    "IngestErrorBudgetBurn",
    "ToldTooLate",
    "ReconciliationGap",
    "RecordsRejected",
    "DeliveryFailing",
    "PracticesSilent",
    "ModelDrift",
    "BackupTooOld",
    "Watchdog",
]
COMPOSE = ["--file", "docker-compose.yml"]
OVERRIDE = "deploy/compose/docker-compose.override.example.yml"
PROMETHEUS = ROOT / "deploy" / "prometheus"
TIMELINES = sorted((PROMETHEUS / "tests").glob("*.yml"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt-get install prometheus)"
)


def alerts() -> set[str]:
    """Return the names of the alerts that the stack's Prometheus is given."""
    return {rule["alert"] for rule in _rules()}


def _rules(file: str = "alerts.yml") -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _timelines() -> list[dict[str, Any]]:
    return [each for file in TIMELINES for each in yaml.safe_load(file.read_text())["tests"]]


def _promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


def test_the_dockerfile_keeps_the_rules_of_hadolint() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "deploy" / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.docker
@pytest.mark.parametrize("files", [COMPOSE, [*COMPOSE, "--file", OVERRIDE]], ids=["alone", "overridden"])
def test_the_compose_file_keeps_to_its_specification(files: list[str]) -> None:
    done = subprocess.run(
        ["docker", "compose", *files, "--profile", "*", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stderr, done.returncode) == ("", 0)


def test_every_image_has_a_full_tag_that_stands_in_one_place() -> None:
    named = re.findall(r"^\s*image: (\S+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    named += re.findall(r"^FROM (\S+:\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)

    full = r"[a-z0-9./-]+:v?\d[\w.-]*(\$\{REVISION:-local\})?"
    assert [image for image in named if not re.fullmatch(full, image)] == []
    assert len(named) == len(set(named))


def test_our_images_carry_the_version_of_the_project_and_a_revision() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    own = {str(service["image"]) for service in SERVICES.values() if "build" in service}

    assert own == {f"{name}:{version}-${{REVISION:-local}}" for name in ("rapport", "rapport-demo")}
    assert f"ARG VERSION={version}\n" in (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])
    assert ("cap_add" in service) == (name == "secrets")
    assert str(service["user"]).startswith("0:") == (name == "secrets")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_and_comes_back_or_runs_once(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert (service["healthcheck"] == {"disable": True}) == (name in ONCE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_published_on_this_machine_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or name not in {"kafka", "postgres"}


def test_prometheus_scrapes_the_management_port_of_the_image() -> None:
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    (port,) = re.findall(r"HTTP_MANAGEMENT_PORT=(\d+)", image)
    (public,) = re.findall(r"HTTP_PORT=(\d+)", image)
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    scraped = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs if "dns_sd_configs" in job}

    assert scraped.pop("node") == 9100
    assert scraped == dict.fromkeys(["ingest", "detector", "notifier"], int(port))
    assert f"EXPOSE {public} {port}\n" in image
    assert port != public


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_with_a_database_says_whether_its_connection_is_encrypted(name: str) -> None:
    environment = SERVICES[name].get("environment", {})

    assert ("DATABASE_SSLMODE" in environment) == ("DATABASE_URL" in environment)


def test_no_password_stands_in_the_compose_file() -> None:
    settings = [
        (name, setting)
        for name, service in SERVICES.items()
        for setting in dict.fromkeys(service.get("environment", {}))
        if re.search("PASSWORD|SECRET|_KEY", setting) and not setting.endswith(("_FILE", "__FILE"))
    ]

    assert settings == []


def test_each_alert_has_a_page() -> None:
    pages = sorted(page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md"))

    assert list(dict.fromkeys(rule["alert"] for rule in _rules())) == ALERTS
    assert sorted(ALERTS) == pages
    assert [rule["annotations"]["runbook_url"] for rule in _rules()] == [
        f"{{{{ $externalLabels.runbooks }}}}/{rule['alert']}.md" for rule in _rules()
    ]
    assert {rule["labels"]["severity"] for rule in _rules()} == {"page", "ticket", "none"}
    assert all(rule["annotations"]["summary"] for rule in _rules())


@needs_promtool
@pytest.mark.parametrize("file", TIMELINES, ids=[file.stem for file in TIMELINES])
def test_the_alerts_keep_their_timelines(file: Path) -> None:
    done = _promtool("test", "rules", str(file))

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_timeline_that_raises_it_and_one_that_does_not() -> None:
    checks = [check for each in _timelines() for check in each.get("alert_rule_test", [])]
    raised = {check["alertname"] for check in checks if check["exp_alerts"]}
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}

    assert raised == set(ALERTS)
    assert silent == set(ALERTS) - {"Watchdog"}
    minutes = {"1m": 1, "4m": 4}
    assert all(minutes[each["interval"]] <= 4 for each in _timelines())


def queries() -> list[str]:
    """Every query of the dashboards, each once."""
    boards = map(
        json.loads, (file.read_text() for file in (ROOT / "deploy/grafana/dashboards").glob("*.json"))
    )
    panels = [panel for board in boards for panel in board["panels"]]
    return sorted({target["expr"] for panel in panels for target in panel["targets"]})


def _metrics_in_code() -> set[str]:
    sources = [file.read_text() for file in (ROOT / "services").rglob("*metrics.py")]
    return set(re.findall(r'"(rapport_[a-z_0-9]+)"', "\n".join(sources)))


@pytest.mark.parametrize(
    "query",
    [*queries(), *(rule["expr"] for rule in [*_rules(), *_rules("promises.yml"), *_rules("disks.yml")])],
)
def test_a_query_asks_for_metrics_that_exist(query: str) -> None:
    asked = set(re.findall(r"rapport_[a-z_0-9]+", query))
    bare = {re.sub("_(total|bucket|count|sum)$", "", name) for name in asked}

    assert bare <= _metrics_in_code()


def test_the_compose_file_creates_no_topic_by_itself() -> None:
    settings = (ROOT / "deploy" / "compose" / "kafka" / "server.properties").read_text()

    assert "auto.create.topics.enable=false" in settings
    assert not any(topic.name in settings + Path(ROOT / "docker-compose.yml").read_text() for topic in ALL)
