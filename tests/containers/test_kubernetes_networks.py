"""Compares who reaches whom by the policies for Kubernetes, and by the networks of docker-compose.yml."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.kubernetes_manifests import (
    COMPOSE,
    PARTS,
    SERVICES,
    named,
    of_kind,
    pods,
)


def _share_a_network(one: str, other: str) -> bool:
    return not set(COMPOSE[one].get("networks", [])).isdisjoint(COMPOSE[other].get("networks", []))


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    expressions = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in expressions)
    return wanted and all(labels.get(one["key"]) in one["values"] for one in expressions)


def _rules(part: str, direction: str) -> Iterator[dict[str, Any]]:
    labels = pods()[part]["metadata"]["labels"]
    for policy in of_kind("NetworkPolicy"):
        if _selects(policy["spec"]["podSelector"], labels):
            yield from policy["spec"].get(direction, [])


def _ports(rule: dict[str, Any]) -> set[int]:
    return {port for one in rule["ports"] for port in range(one["port"], one.get("endPort", one["port"]) + 1)}


def _between(part: str, direction: str, other: str) -> set[int]:
    peers = "to" if direction == "egress" else "from"
    labels = pods()[other]["metadata"]["labels"]
    return {
        port
        for rule in _rules(part, direction)
        for peer in rule[peers]
        if peer.keys() == {"podSelector"} and _selects(peer["podSelector"], labels)
        for port in _ports(rule)
    }


def _with_namespace(part: str, direction: str, label: str) -> set[int]:
    peers = "to" if direction == "egress" else "from"
    selector = {"namespaceSelector": {"matchLabels": {label: "yes"}}}
    return {port for rule in _rules(part, direction) if selector in rule[peers] for port in _ports(rule)}


def test_what_no_policy_allows_is_forbidden() -> None:
    policy = named("NetworkPolicy", "deny-all")["spec"]

    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for one in of_kind("NetworkPolicy"):
        given = {kind.title() for kind in ("ingress", "egress") if kind in one["spec"]}
        assert given <= set(one["spec"]["policyTypes"])
        # A rule without peers or ports would allow all of them.
        for rule in [*one["spec"].get("ingress", []), *one["spec"].get("egress", [])]:
            assert rule.get("to") or rule.get("from")
            assert rule["ports"]


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_reaches_the_stores_that_the_compose_file_gives_it(part: str) -> None:
    like = COMPOSE[PARTS[part]]
    needs_kafka, needs_postgres = (
        "KAFKA_BOOTSTRAP_SERVERS" in like["environment"],
        "DATABASE_URL" in like["environment"],
    )

    assert bool(_with_namespace(part, "egress", "rapport-kafka")) == needs_kafka
    assert _with_namespace(part, "egress", "rapport-postgres") == ({5432} if needs_postgres else set())
    assert not needs_kafka or _share_a_network(PARTS[part], "kafka")
    assert not needs_postgres or _share_a_network(PARTS[part], "postgres")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_reaches_the_services_that_it_reaches_in_the_compose_file(part: str, service: str) -> None:
    allowed = _between(part, "egress", service) & _between(service, "ingress", part)
    reached = part != service and _share_a_network(PARTS[part], service)

    assert allowed == ({8080, 8090} if reached else set())
    assert _between(part, "egress", service) == _between(service, "ingress", part)


@pytest.mark.parametrize("part", PARTS)
def test_proxies_and_prometheus_reach_one_port_each(part: str) -> None:
    is_service = part in SERVICES

    assert _with_namespace(part, "ingress", "rapport-proxy") == ({8080} if is_service else set())
    assert _with_namespace(part, "ingress", "rapport-prometheus") == ({8090} if is_service else set())
    assert _share_a_network(PARTS[part], "prometheus") or not is_service


@pytest.mark.parametrize("part", PARTS)
def test_only_the_notifier_reaches_what_is_outside(part: str) -> None:
    blocks = [peer["ipBlock"] for rule in _rules(part, "egress") for peer in rule["to"] if "ipBlock" in peer]

    assert bool(blocks) == _share_a_network(PARTS[part], "mail")
    assert bool(blocks) == (part == "notifier")
    if blocks:
        assert {one["cidr"] for one in blocks} == {"0.0.0.0/0", "::/0"}
        # The cluster's own addresses, and those at which clouds tell a machine its credentials.
        assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(blocks[0]["except"])
