"""Skips tests whose requirements this machine does not meet, and lists them at the end (a pytest plugin).

The marks that `REQUIREMENTS` lists name requirements; the fixture `backend` is the Kafka of a test. The mark
`study` names tests that need nothing but time.
"""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from xdist.workermanage import WorkerController

from deploy.kafka import jars
from deploy.kafka.run import KafkaNode
from tests.support import fhir_validator
from tests.support.backend import Backend, DurableNode, embedded_backend, real_backend, real_node
from tests.support.faults.faked_clock import faketime_missing
from tests.support.faults.small_disk import mounting_missing
from tests.support.monitoring import monitoring_missing
from tests.support.tls_postgres import postgres_with_tls_missing


def _docker_missing() -> str | None:
    if shutil.which("docker") is None:
        return "Docker is not installed"
    done = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return None if done.returncode == 0 else "Docker does not answer"


def _browser_missing() -> str | None:
    from tests.support.notifier.chromium import chromium_path

    if chromium_path() is None:
        return "Chromium is not installed (Debian: apt-get install chromium)"
    return None


REQUIREMENTS: dict[str, tuple[str, Callable[[], str | None]]] = {
    "fhir": ("HL7's FHIR validator by Maven", cache(fhir_validator.missing)),
    "durable": ("a real Kafka by Maven", cache(jars.missing)),
    "docker": ("containers", cache(_docker_missing)),
    "browser": ("a browser", cache(_browser_missing)),
    "monitoring": ("Prometheus and Alertmanager", cache(monitoring_missing)),
    "mount": ("a file system of their own", mounting_missing),
    "faketime": ("a clock of their own", faketime_missing),
    "tls_database": ("a PostgreSQL with TLS", postgres_with_tls_missing),
    "study": ("studies of many simulated practices", lambda: None),
}
"""For each mark, the requirement, and a function that returns what this machine lacks (None: nothing)."""

_SKIPPED = pytest.StashKey[Counter[str]]()
_LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start counting."""
    config.stash[_SKIPPED] = Counter()
    config.stash[_LEFT_OUT] = Counter()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the fixture `backend` on each kind of Kafka, or on those that its mark names."""
    if "backend" in metafunc.fixturenames:
        kinds = [pytest.param("kafka", marks=pytest.mark.durable)]
        if metafunc.definition.get_closest_marker("durable") is None:
            kinds.insert(0, pytest.param("embedded"))
        # Fault tests would find the same in a container; they run on the node, which starts faster.
        if "flow" in metafunc.definition.path.parts:
            kinds.append(pytest.param("containers", marks=pytest.mark.docker))
        if (named := metafunc.definition.get_closest_marker("backends")) is not None:
            kinds = [kind for kind in kinds if kind.values[0] in named.args]
        metafunc.parametrize("backend", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that this machine cannot run."""
    for item in items:
        for mark, (_, missing) in REQUIREMENTS.items():
            if item.get_closest_marker(mark) is not None and (lacking := missing()):
                item.add_marker(pytest.mark.skip(reason=lacking))
                config.stash[_SKIPPED][mark] += 1


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the tests that `-m` deselects and `make test-all` runs."""
    for item in items:
        if item.get_closest_marker("long") is not None:
            continue
        for mark in REQUIREMENTS:
            if item.get_closest_marker(mark) is not None:
                item.config.stash[_LEFT_OUT][mark] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker process, send the counts to the main process."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        counted = [session.config.stash[_SKIPPED], session.config.stash[_LEFT_OUT]]
        output["needs"] = [dict(counter) for counter in counted]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take over a worker's counts; every worker collects all tests, so their counts are equal."""
    output = getattr(node, "workeroutput", {})
    if "needs" in output:
        skipped, left_out = output["needs"]
        config: pytest.Config = node.config
        for total, counted in ((config.stash[_SKIPPED], skipped), (config.stash[_LEFT_OUT], left_out)):
            total.update({mark: number - total[mark] for mark, number in counted.items()})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the tests that did not run, and why."""
    for mark, (what, missing) in REQUIREMENTS.items():
        if skipped := config.stash[_SKIPPED][mark]:
            terminalreporter.write_line(
                f"NOT RUN: {skipped} tests that need {what}: {missing()}", yellow=True
            )
        if left_out := config.stash[_LEFT_OUT][mark]:
            lacking = missing()
            can = f"cannot run here: {lacking}" if lacking else "can run here"
            terminalreporter.write_line(f"make test-all adds {left_out} tests that need {what}: they {can}")


@pytest.fixture(scope="session")
def kafka_node() -> Iterator[KafkaNode]:
    """Return a real Kafka node without topics."""
    with real_node() as node:
        yield node


@pytest.fixture(scope="session")
def container_node() -> Iterator[DurableNode]:
    """Return a Kafka node in a container without topics."""
    from tests.support.containers import kafka_container

    with kafka_container() as node:
        yield node


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Return a Kafka without records and offsets."""
    if request.param == "embedded":
        with embedded_backend() as found:
            yield found
    elif request.param == "containers":
        with real_backend(request.getfixturevalue("container_node"), "containers") as found:
            yield found
    else:
        with real_backend(request.getfixturevalue("kafka_node")) as found:
            yield found
