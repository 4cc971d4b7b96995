"""Compares the manifests for Kubernetes with docker-compose.yml, and checks them without a cluster."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.compose import make_secrets as compose_secrets
from deploy.kubernetes import make_secrets, prometheus_rule
from tests.support.images import ROOT, compose_file

FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE: dict[str, Any] = compose_file()["services"]
SERVICES = ("ingest", "detector", "notifier")
PARTS = {**{name: name for name in (*SERVICES, "topics", "migrate")}, "operator": "rapport"}
"""The component of each pod, and the container of the compose file that it is like."""
COMPONENT = "app.kubernetes.io/component"
VERSIONS = ("1.29", "1.37")
"""The oldest version of Kubernetes that the manifests are for, and the newest whose schemas are at hand."""
ONLY_IN_A_CLUSTER = {"KAFKA_GROUP_INSTANCE_ID", "POSTGRES_ADDRESS", "POSTGRES_DATABASE"}

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None,
    reason="kubectl is not installed (Debian: apt-get install kubernetes-client)",
)


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


def test_there_is_a_pod_for_each_part_of_the_compose_file_that_is_ours() -> None:
    ours = {name for name, service in COMPOSE.items() if service.get("image", "").startswith("rapport:")}

    assert pods().keys() == PARTS.keys()
    # `secrets` is a program of its own here, `where` has nothing to say, and there is no demonstration.
    assert ours - set(PARTS.values()) == {"secrets", "where", "demo-key"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_keep_to_the_published_schemas(version: str) -> None:
    own = [one for one in manifests() if not one["apiVersion"].startswith("monitoring.coreos.com/")]

    assert [kubernetes_validate.validate(one, version, strict=True) for one in own] == [version] * len(own)


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_runs_what_the_compose_file_runs(part: str) -> None:
    container, like = main_container(part), COMPOSE[PARTS[part]]

    assert container["image"] == like["image"]
    assert part == "operator" or container["args"] == like["command"]
    assert ("command" in container) == (part == "operator")


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_has_the_user_and_the_limits_of_the_compose_file(part: str) -> None:
    like = COMPOSE[PARTS[part]]
    limits = like["deploy"]["resources"]["limits"]
    spec = pods()[part]["spec"]
    context = spec["securityContext"]

    assert f"{context['runAsUser']}:{context['runAsGroup']}" == like["user"]
    assert context["fsGroup"] == context["runAsGroup"]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        # A lower-case m is a thousandth in Kubernetes.
        wanted = {"cpu": limits["cpus"], "memory": re.sub("m$", "Mi", limits["memory"])}
        assert container["resources"] == {"requests": wanted, "limits": wanted}


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_has_no_rights_it_does_not_need(part: str) -> None:
    spec = pods()[part]["spec"]

    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_has_a_small_folder_for_temporary_files(part: str) -> None:
    volumes = {one["name"]: one for one in pods()[part]["spec"]["volumes"]}
    (size,) = re.findall(r"^/tmp:size=(\d+)m,", COMPOSE[PARTS[part]]["tmpfs"][0])

    assert volumes["tmp"]["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{size}Mi"}
    assert {"name": "tmp", "mountPath": "/tmp"} in main_container(part)["volumeMounts"]  # noqa: S108


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_is_told_what_the_compose_file_tells(part: str) -> None:
    like = COMPOSE[PARTS[part]]["environment"]
    told = environment(part)
    own = {one["name"] for one in main_container(part).get("env", [])}
    files = {name for name in like if name.endswith(("_FILE", "_DIR"))}

    assert like.keys() <= told.keys()
    assert own - like.keys() <= ONLY_IN_A_CLUSTER
    assert {name: told[name] for name in files} == {name: like[name] for name in files}
    assert ("DATABASE_URL" in own) == ("DATABASE_URL" in like)
    if "DATABASE_URL" in like:
        user = re.match(r"postgresql://(\w+)@", like["DATABASE_URL"])
        assert user is not None
        assert told["DATABASE_URL"] == f"postgresql://{user[1]}@$(POSTGRES_ADDRESS)/$(POSTGRES_DATABASE)"


def test_every_variable_of_the_files_of_settings_exists_and_is_no_secret() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    example = yaml.safe_load((FOLDER / "example" / "kustomization.yaml").read_text())["configMapGenerator"]
    variables = {name for file in (FOLDER / "base").glob("*.env") for name in env_file(file.name)}
    changed = {line.partition("=")[0] for one in example for line in one["literals"]}

    assert {name for name in variables if f"\n| `{name}` |" not in reference} == ONLY_IN_A_CLUSTER - {
        "KAFKA_GROUP_INSTANCE_ID"
    }
    assert changed <= variables
    assert [
        name for name in variables if re.search("PASSWORD|SECRET|_KEY", name) and not name.endswith("_FILE")
    ] == []
    assert env_file("settings.env")["DATABASE_SSLMODE"] == "verify-full"


@pytest.mark.parametrize("part", ["detector", "notifier"])
def test_a_consumer_keeps_its_name_when_it_comes_back(part: str) -> None:
    stateful = named("StatefulSet", part)
    (name,) = [one for one in main_container(part)["env"] if one["name"] == "KAFKA_GROUP_INSTANCE_ID"]
    governing = named("Service", stateful["spec"]["serviceName"])

    assert name["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert governing["spec"]["clusterIP"] == "None"
    # Longer than a pod takes to come back; the alert on a missing heartbeat waits for 150 s.
    assert COMPOSE[part]["stop_grace_period"] == f"{env_file('settings.env')['KAFKA_SESSION_TIMEOUT_S']}s"


@pytest.mark.parametrize("part", SERVICES)
def test_a_service_is_stopped_and_asked_as_in_the_compose_file(part: str) -> None:
    container = main_container(part)
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    ports = dict(
        zip(("http", "management"), map(int, re.findall(r"EXPOSE (\d+) (\d+)", image)[0]), strict=True)
    )
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}

    assert f"{pods()[part]['spec']['terminationGracePeriodSeconds']}s" == COMPOSE[part]["stop_grace_period"]
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == ports
    assert asked == {
        "startup": {"path": "/livez", "port": "management"},
        "liveness": {"path": "/livez", "port": "management"},
        "readiness": {"path": "/readyz", "port": "management"},
    }


@pytest.mark.parametrize("part", SERVICES)
def test_callers_reach_one_port_of_a_service_and_operators_the_other(part: str) -> None:
    pod = pods()[part]["metadata"]["labels"]
    public, management = named("Service", part)["spec"], named("Service", f"{part}-replicas")["spec"]

    assert public["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]
    assert management["ports"] == [{"name": "management", "port": 8090, "targetPort": "management"}]
    assert management["publishNotReadyAddresses"] is True
    assert public["selector"].items() <= pod.items()
    assert management["selector"].items() <= pod.items()


@pytest.mark.parametrize("part", SERVICES)
def test_one_replica_at_a_time_is_taken_away(part: str) -> None:
    budget = named("PodDisruptionBudget", part)["spec"]
    (spread,) = pods()[part]["spec"]["topologySpreadConstraints"]
    (made,) = [
        one for one in [*of_kind("Deployment"), *of_kind("StatefulSet")] if one["metadata"]["name"] == part
    ]

    assert made["spec"]["replicas"] >= 2
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == made["spec"]["selector"] == spread["labelSelector"]
    assert made["spec"]["selector"]["matchLabels"].items() <= pods()[part]["metadata"]["labels"].items()


def _compose_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    for change in ("chown", "fchown"):
        monkeypatch.setattr(f"os.{change}", lambda *_: None)
    compose_secrets.make(folder)
    return {one.name: {file.name for file in one.iterdir()} for one in folder.iterdir()}


def test_the_secrets_are_those_of_the_compose_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = _compose_secrets(tmp_path, monkeypatch)
    made = {reader: set(files) for reader, files in make_secrets.contents().items()}

    assert made == {
        name: files - {"superuser-password"}
        for name, files in compose.items()
        if name not in {"grafana", "demo"}
    }


def test_a_secret_fits_the_others() -> None:
    made = make_secrets.contents()
    readers = [made[reader] for reader in make_secrets.WITH_A_DATABASE]

    assert len({one["erasure-secret"] for one in readers}) == 1
    assert len({one["database-password"] for one in readers}) == 3
    assert all(verifier.startswith("SCRAM-SHA-256$4096:") for verifier in made["postgres"].values())


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_reads_its_own_secrets_from_files_only_its_user_reads(part: str) -> None:
    own = "operator" if part in {"topics", "migrate"} else part
    made = make_secrets.contents()
    volumes = {one["name"]: one["secret"] for one in pods()[part]["spec"]["volumes"] if "secret" in one}
    mounts = {one["name"]: one for one in main_container(part)["volumeMounts"]}
    paths = {
        f"{mounts[volume]['mountPath']}/{file}"
        for volume, secret in volumes.items()
        if volume in mounts
        for file in made.get(secret["secretName"].removeprefix("rapport-"), {})
    }
    named_files = {
        value
        for name, value in environment(part).items()
        if name.endswith("_FILE")
        and not value.startswith(("/run/rapport/authorities/", "/run/rapport/keys/"))
    }

    assert {one["secretName"] for one in volumes.values()} <= {
        f"rapport-{own}",
        "rapport-keys",
        f"rapport-{own}-kafka",
    }
    assert {oct(one["defaultMode"]) for one in volumes.values()} <= {"0o440"}
    assert all("subPath" not in mount for mount in mounts.values())
    assert named_files <= paths
    assert all(mounts[volume]["readOnly"] is True for volume in volumes if volume in mounts)
    assert not any("secretKeyRef" in str(one) or "secretRef" in str(one) for one in [pods()[part]])


# The networks: who reaches whom, once by the compose file and once by the policies.


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

    assert set(re.findall(r"'image': '([^']+)'", made)) == {"registry.example.org/rapport:0.2.0"}
    assert "'DATABASE_SSLMODE': 'verify-full'" in made
