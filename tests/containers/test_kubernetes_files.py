"""Checks the manifests for Kubernetes without a cluster: schemas, files for Prometheus, and kustomize."""

import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.kubernetes import prometheus_rule
from tests.support.kubernetes_manifests import (
    FOLDER,
    SERVICES,
    manifests,
    named,
    of_kind,
    pods,
)

VERSIONS = ("1.29", "1.37")
"""The oldest version of Kubernetes that the manifests are for, and the newest whose schemas are at hand."""

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None,
    reason="kubectl is not installed (Debian: apt-get install kubernetes-client)",
)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_keep_to_the_published_schemas(version: str) -> None:
    own = [one for one in manifests() if not one["apiVersion"].startswith("monitoring.coreos.com/")]

    assert [kubernetes_validate.validate(one, version, strict=True) for one in own] == [version] * len(own)


def test_prometheus_gets_the_rules_of_the_compose_file() -> None:
    groups = [
        group
        for source in prometheus_rule.SOURCES
        for group in yaml.safe_load((prometheus_rule.RULES / source).read_text())["groups"]
    ]
    (rule,) = of_kind("PrometheusRule")

    assert prometheus_rule.TARGET.read_text() == prometheus_rule.manifest(), (
        "run python3 -m deploy.kubernetes.prometheus_rule"
    )
    assert rule["spec"] == {"groups": groups}
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"


@pytest.mark.parametrize("part", SERVICES)
def test_prometheus_scrapes_each_service_under_the_name_that_the_rules_know(part: str) -> None:
    monitor = named("PodMonitor", part)
    scraped = yaml.safe_load((prometheus_rule.RULES / "prometheus.yml").read_text())["global"]

    # No schema of these kinds is at hand: exactly the fields that the operator's documentation names.
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"].keys() == {"jobLabel", "selector", "podMetricsEndpoints"}
    assert monitor["spec"]["podMetricsEndpoints"] == [
        {
            "port": "management",
            "path": "/metrics",
            "interval": scraped["scrape_interval"],
            "scrapeTimeout": scraped["scrape_timeout"],
        }
    ]
    labels = pods()[part]["metadata"]["labels"]
    assert labels[monitor["spec"]["jobLabel"]] == part
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_everything_that_must_be_there_first_is_applied_first() -> None:
    first = {
        one["kind"]
        for one in manifests()
        if one["metadata"].get("labels", {}).get("rapport-step") == "prepare"
    }
    options = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["generatorOptions"]

    assert first == {"Namespace", "NetworkPolicy", "Job"}
    assert options["labels"]["rapport-step"] == "prepare"


def _rendered(folder: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["kubectl", "kustomize", FOLDER / folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@needs_kubectl
@pytest.mark.parametrize("folder", ["base", "example"])
def test_kustomize_puts_the_manifests_together(folder: str) -> None:
    made = _rendered(folder)
    maps = {one["metadata"]["name"] for one in made if one["kind"] == "ConfigMap"}
    asked = set(re.findall(r"'name': '(rapport-[a-z-]*settings[a-z0-9-]*)'", str(made)))

    assert asked == maps
    assert all(re.fullmatch(r"rapport-([a-z]+-)?settings-[a-z0-9]{10}", name) for name in maps)
    assert {one["metadata"].get("namespace", "rapport") for one in made} == {"rapport"}
    kept = [one for one in made if not one["apiVersion"].startswith("monitoring.coreos.com/")]
    assert [kubernetes_validate.validate(one, VERSIONS[-1], strict=True) for one in kept] == [
        VERSIONS[-1]
    ] * len(kept)


@needs_kubectl
def test_the_example_names_the_image_and_the_addresses_everywhere() -> None:
    made = str(_rendered("example"))

    assert set(re.findall(r"'image': '([^']+)'", made)) == {"registry.example.org/rapport:0.2.0-0123456789ab"}
    assert "'DATABASE_SSLMODE': 'verify-full'" in made
