"""Reads the manifests for Kubernetes, and the containers of the compose file that they are like."""

from functools import cache
from typing import Any

import yaml

from tests.support.images import ROOT, compose_file

FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE: dict[str, Any] = compose_file()["services"]
SERVICES = ("ingest", "detector", "notifier")
PARTS = {**{name: name for name in (*SERVICES, "topics", "migrate", "sandboxes")}, "operator": "rapport"}
"""The component of each pod, and the container of the compose file that it is like."""
COMPONENT = "app.kubernetes.io/component"


@cache
def manifests() -> list[dict[str, Any]]:
    """Return every manifest of the base and of the folder for Prometheus."""
    files = sorted([*(FOLDER / "base").glob("*.yaml"), *(FOLDER / "prometheus").glob("*.yaml")])
    return [
        one
        for file in files
        for one in yaml.safe_load_all(file.read_text())
        if one["kind"] != "Kustomization"
    ]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return the manifests of one kind."""
    return [one for one in manifests() if one["kind"] == kind]


def named(kind: str, name: str) -> dict[str, Any]:
    """Return one manifest."""
    (found,) = [one for one in of_kind(kind) if one["metadata"]["name"] == name]
    return found


@cache
def pods() -> dict[str, dict[str, Any]]:
    """Return the pod templates by component."""
    jobs = [*of_kind("Job"), *(one["spec"]["jobTemplate"] for one in of_kind("CronJob"))]
    made = [*of_kind("Deployment"), *of_kind("StatefulSet"), *jobs]
    return {one["spec"]["template"]["metadata"]["labels"][COMPONENT]: one["spec"]["template"] for one in made}


def main_container(part: str) -> dict[str, Any]:
    """Return the container that does a part's work."""
    found: dict[str, Any]
    (found,) = [one for one in pods()[part]["spec"]["containers"] if one["name"] == part]
    return found


def env_file(name: str) -> dict[str, str]:
    """Return the variables of one of the base's files of settings."""
    lines = (FOLDER / "base" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment(part: str) -> dict[str, str]:
    """Return what a part's container finds in its environment; what the cluster fills in is empty."""
    container = main_container(part)
    read: dict[str, str] = {}
    for source in container["envFrom"]:
        (file,) = [
            one["envs"][0]
            for one in yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())[
                "configMapGenerator"
            ]
            if one["name"] == source["configMapRef"]["name"]
        ]
        read |= env_file(file)
    return read | {one["name"]: one.get("value", "") for one in container.get("env", [])}
