"""Compares the pods of the manifests for Kubernetes with the containers of docker-compose.yml."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.compose import make_secrets as compose_secrets
from deploy.kubernetes import make_secrets
from tests.support.images import ROOT
from tests.support.kubernetes_manifests import (
    COMPOSE,
    FOLDER,
    PARTS,
    SERVICES,
    env_file,
    environment,
    main_container,
    named,
    of_kind,
    pods,
)

ONLY_IN_A_CLUSTER = {"KAFKA_GROUP_INSTANCE_ID", "POSTGRES_ADDRESS", "POSTGRES_DATABASE"}


def test_there_is_a_pod_for_each_part_of_the_compose_file_that_is_ours() -> None:
    ours = {name for name, service in COMPOSE.items() if service.get("image", "").startswith("rapport:")}

    assert pods().keys() == PARTS.keys()
    # `secrets` is a program of its own here, `where` has nothing to say, and there is no demonstration.
    assert ours - set(PARTS.values()) == {"secrets", "where", "demo-key"}


@pytest.mark.parametrize("part", PARTS)
def test_a_pod_runs_what_the_compose_file_runs(part: str) -> None:
    container, like = main_container(part), COMPOSE[PARTS[part]]

    # Whoever runs it names registry and revision.
    assert container["image"] == like["image"].removesuffix("-${REVISION:-local}")
    # What waits for the night in compose is started by the cluster, every night.
    command = [word for word in like["command"] if word != "--every-night"]
    assert part == "operator" or container["args"] == command
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
    own = "operator" if part in {"topics", "migrate", "sandboxes"} else part
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
