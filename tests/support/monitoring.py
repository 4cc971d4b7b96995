"""Runs the real Prometheus and Alertmanager with the shipped files, and records whom they notify of what."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from tests.support.ports import lasting_ports

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS_FILE = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER_FILE = DEPLOY / "alertmanager" / "alertmanager.yml"
START_S = 60.0
POLL_S = 1.0
WATCHDOG = "Watchdog"
"""It always fires."""

Alert = tuple[str, str]
"""The name of an alert and its severity."""


def alertmanager_path() -> str | None:
    """Return the program, under Debian's name or its own."""
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def monitoring_missing() -> str | None:
    """Return what this machine lacks; None when it lacks nothing."""
    if None in (shutil.which("prometheus"), shutil.which("amtool"), alertmanager_path()):
        return "Prometheus is not installed (Debian: apt-get install prometheus prometheus-alertmanager)"
    return None


@dataclass(slots=True)
class Monitoring:
    """What Prometheus finds, and what Alertmanager has sent to the receivers `page` and `ticket`."""

    prometheus_url: str
    alertmanager_url: str
    _sent: list[tuple[datetime, Alert]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, notification: Mapping[str, Any]) -> None:
        """Keep the alerts of one notification that fire."""
        with self._lock:
            self._sent += [
                (datetime.now(UTC), (alert["labels"]["alertname"], alert["labels"]["severity"]))
                for alert in notification["alerts"]
                if alert["status"] == "firing" and notification["receiver"] != "deadman"
            ]

    def told(self) -> set[Alert]:
        """Return the alerts of which somebody was notified."""
        with self._lock:
            return {alert for _, alert in self._sent}

    def describe(self) -> str:
        """Return when somebody was notified, and during which minutes which alerts were active."""
        lines = [f"notified at {at:%H:%M:%S}: {name}, {severity}" for at, (name, severity) in self._sent]
        answer = httpx.get(
            f"{self.prometheus_url}/api/v1/query",
            params={"query": f'ALERTS{{alertname!="{WATCHDOG}"}}[3h]'},
            trust_env=False,
            timeout=10,
        )
        for series in answer.raise_for_status().json()["data"]["result"]:
            labels = series["metric"]
            first, last = (datetime.fromtimestamp(series["values"][one][0], UTC) for one in (0, -1))
            what = f"{labels['alertname']}, {labels['severity']}, {labels['alertstate']}"
            lines.append(f"{what}: {first:%H:%M:%S} to {last:%H:%M:%S}")
        return "\n".join(lines)

    def active(self, *, pending: bool = True) -> set[Alert]:
        """Return the alerts that fire, and those that are about to, whether or not somebody is notified."""
        answer = httpx.get(f"{self.prometheus_url}/api/v1/alerts", trust_env=False, timeout=10)
        return {
            (alert["labels"]["alertname"], alert["labels"]["severity"])
            for alert in answer.raise_for_status().json()["data"]["alerts"]
            if alert["labels"]["alertname"] != WATCHDOG and (pending or alert["state"] == "firing")
        }

    def value(self, query: str) -> float | None:
        """Return the first value of a query; None when it finds nothing."""
        answer = httpx.get(
            f"{self.prometheus_url}/api/v1/query", params={"query": query}, trust_env=False, timeout=10
        )
        found = answer.raise_for_status().json()["data"]["result"]
        return float(found[0]["value"][1]) if found else None


def alertmanager_words(configuration: Path, folder: Path, port: int) -> list[str]:
    """Return the command that runs Alertmanager by itself."""
    return [
        alertmanager_path() or "alertmanager",
        f"--config.file={configuration}",
        f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


@contextmanager
def running(words: Sequence[str], log: Path, url: str) -> Iterator[None]:
    """Run a program of Prometheus for the duration of the block, which begins when it is ready."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, start_new_session=True)
        try:
            wait(lambda: _answers(f"{url}/-/ready"), f"{words[0]} ready (see {log})", START_S)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def monitoring(targets: Mapping[str, Sequence[str]], folder: Path) -> Iterator[Monitoring]:
    """Watch services for the duration of the block, with the shipped rules, intervals and routes.

    `targets` are the addresses of the management ports of each job. Only what a deployment has to fill in is
    another: where the services are, and where notifications go.
    """
    with ExitStack() as stack:
        prometheus_port = lasting_ports(2)
        watched = Monitoring(f"http://127.0.0.1:{prometheus_port}", f"http://127.0.0.1:{prometheus_port + 1}")
        receiver = stack.enter_context(_receiver(watched))
        routes = folder / "alertmanager.yml"
        routes.write_text(yaml.safe_dump(_with_receivers(receiver)), encoding="utf-8")
        words = alertmanager_words(routes, folder / "alertmanager", prometheus_port + 1)
        stack.enter_context(running(words, folder / "alertmanager.log", watched.alertmanager_url))
        rules = folder / "prometheus.yml"
        rules.write_text(yaml.safe_dump(_with_targets(targets, watched.alertmanager_url)), encoding="utf-8")
        words = [
            "prometheus",
            f"--config.file={rules}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
        ]
        stack.enter_context(running(words, folder / "prometheus.log", watched.prometheus_url))
        yield watched


def _with_receivers(url: str) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(ALERTMANAGER_FILE.read_text(encoding="utf-8"))
    configuration["receivers"] = [
        {"name": one["name"], "webhook_configs": [{"url": url}]} for one in configuration["receivers"]
    ]
    return configuration


def _with_targets(targets: Mapping[str, Sequence[str]], alertmanager_url: str) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(PROMETHEUS_FILE.read_text(encoding="utf-8"))
    configuration["rule_files"] = [
        str(PROMETHEUS_FILE.parent / Path(one).name) for one in configuration["rule_files"]
    ]
    configuration["alerting"] = {
        "alertmanagers": [{"static_configs": [{"targets": [urlsplit(alertmanager_url).netloc]}]}]
    }
    configuration["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [urlsplit(url).netloc for url in urls]}]}
        for job, urls in targets.items()
    ]
    return configuration


@contextmanager
def _receiver(watched: Monitoring) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take one notification."""
            body = self.rfile.read(int(self.headers["content-length"]))
            watched.note(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait(holds: Callable[[], bool], what: str, deadline_s: float) -> float:
    """Return the seconds until `holds()`; fail with `what` when it does not within the deadline."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < deadline_s, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - began
