"""deploy/k8s: what kustomize makes of each overlay is valid, closed, and every word of it exists."""

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.conftest import DEPLOY, ROOT, checked, documents, tool
from tests.deploy.words import must_be_settings, must_run

K8S = DEPLOY / "k8s"
#: Its fields are all in every version that is still looked after.
VERSION = "1.34"
Object = dict[str, Any]


@pytest.fixture(scope="module", params=["local", "production"])
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    path = tmp_path_factory.mktemp("k8s") / "built.yaml"
    path.write_text(checked(tool("kustomize"), "build", K8S / "overlays" / request.param))
    return documents(path)


@pytest.fixture
def production() -> list[Object]:
    folder = K8S / "overlays" / "production"
    return [found for path in folder.glob("*.yaml") for found in documents(path)]


def _pods(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Whatever makes pods, and their spec."""
    for it in objects:
        if "template" in it.get("spec", {}):
            yield it, it["spec"]["template"]["spec"]


def _of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [it for it in objects if it["kind"] == kind]


@pytest.mark.parametrize("path", sorted(K8S.rglob("*.yaml")), ids=lambda path: str(path.relative_to(K8S)))
def test_every_object_is_of_its_schema(path: Any) -> None:
    """Without kustomize: patches name what they change, and are checked as built."""
    if path.name == "kustomization.yaml" or path == K8S / "overlays" / path.parent.name / "worker.yaml":
        return
    for it in documents(path):
        kubernetes_validate.validate(it, VERSION, strict=True)


def test_every_object_as_built_is_of_its_schema(overlay: list[Object]) -> None:
    assert len(overlay) > 10
    for it in overlay:
        kubernetes_validate.validate(it, VERSION, strict=True)


def test_a_wrong_object_is_not() -> None:
    """The schemas are strict: a field that is not Kubernetes' is an error."""
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_every_command_of_ours_runs_here(overlay: list[Object]) -> None:
    ours = [box for _, pod in _pods(overlay) for box in pod["containers"] if "livecharts" in box["image"]]
    assert len(ours) >= 3
    for box in ours:
        must_run(box["command"])
        must_be_settings([given["name"] for given in box.get("env", ())])


def test_every_setting_is_one(overlay: list[Object]) -> None:
    [config] = _of_kind(overlay, "ConfigMap")
    must_be_settings(config["data"])
    for secret in _of_kind(overlay, "Secret"):
        must_be_settings(secret["data"])


def test_what_the_pods_refer_to_is_there(overlay: list[Object]) -> None:
    """All but production's Secret, which is made outside, and named in the docs with all its keys."""
    named = {(it["kind"], it["metadata"]["name"]) for it in overlay}
    wanted = set()
    for _, pod in _pods(overlay):
        for box in pod["containers"]:
            for source in box.get("envFrom", ()):
                wanted |= {("ConfigMap", it["name"]) for it in [source.get("configMapRef")] if it}
                wanted |= {("Secret", it["name"]) for it in [source.get("secretRef")] if it}
    assert wanted - named <= {("Secret", "livecharts")}
    for it in _of_kind(overlay, "StatefulSet"):
        assert ("Service", it["spec"]["serviceName"]) in named


def test_the_docs_name_every_key_of_the_secret() -> None:
    [local] = documents(K8S / "overlays" / "local" / "kustomization.yaml")
    keys = {literal.split("=")[0] for literal in local["secretGenerator"][0]["literals"]}
    said = (ROOT / "docs" / "deploy.md").read_text()
    assert keys and all(f"{key}=" in said for key in keys)


def test_production_holds_no_secret_and_an_image_of_some_version(production: list[Object]) -> None:
    assert not _of_kind(production, "Secret")
    [kustomization] = _of_kind(production, "Kustomization")
    assert not {"secretGenerator"} & set(kustomization)
    assert re.fullmatch(r"\d+\.\d+\.\d+", kustomization["images"][0]["newTag"])


def test_every_image_is_pinned(overlay: list[Object]) -> None:
    images = {box["image"] for _, pod in _pods(overlay) for box in pod["containers"]}
    assert all(re.search(r":(v?\d+\.\d+|RELEASE\.\d{4})", image) for image in images), images


def test_every_pod_is_one_the_restricted_standard_takes(overlay: list[Object]) -> None:
    for it, pod in _pods(overlay):
        name = it["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for box in pod["containers"]:
            rights = box["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False, name
            assert rights["capabilities"] == {"drop": ["ALL"]}, name
            assert box["resources"]["limits"]["memory"], name
            if "livecharts" in box["image"]:
                assert rights["readOnlyRootFilesystem"], name
                assert pod["securityContext"]["runAsUser"] == 10001, "the user of the image"


def test_workers_are_asked_how_they_are_and_keep_their_state(overlay: list[Object]) -> None:
    [(worker, pod)] = [found for found in _pods(overlay) if found[0]["metadata"]["name"] == "worker"]
    assert worker["kind"] == "StatefulSet"
    [box] = pod["containers"]
    paths = {name: box[name]["httpGet"]["path"] for name in box if name.endswith("Probe")}
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
    [claim] = worker["spec"]["volumeClaimTemplates"]
    mounted = {mount["name"]: mount["mountPath"] for mount in box["volumeMounts"]}
    assert mounted[claim["metadata"]["name"]] == "/var/lib/livecharts"
    environ = {given["name"]: given.get("value") for given in box["env"]}
    assert environ["CHARTS_WEB_URL"] == "http://$(POD_NAME).worker:6066"


def test_one_worker_is_away_at_a_time_and_keeps_its_name(overlay: list[Object]) -> None:
    """Whoever drains nodes waits for the last one to be back; back, it has its partitions still."""
    [budget] = _of_kind(overlay, "PodDisruptionBudget")
    [(worker, pod)] = [found for found in _pods(overlay) if found[0]["metadata"]["name"] == "worker"]
    assert budget["spec"]["maxUnavailable"] == 1
    chosen = budget["spec"]["selector"]["matchLabels"].items()
    assert chosen <= worker["spec"]["template"]["metadata"]["labels"].items()
    environ = {given["name"]: given for given in pod["containers"][0]["env"]}
    assert environ["CHARTS_INSTANCE"]["value"] == "$(POD_NAME)"
    assert environ["POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_every_pod_but_what_only_calls_has_a_policy(overlay: list[Object]) -> None:
    """Nobody is let in where nobody is named."""
    policies = _of_kind(overlay, "NetworkPolicy")
    assert {"podSelector": {}, "policyTypes": ["Ingress"]} in [it["spec"] for it in policies]
    named = {
        it["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for it in policies
        if it["spec"]["podSelector"]
    }
    listening = {
        it["metadata"]["name"]
        for it, pod in _pods(overlay)
        if any(box.get("ports") for box in pod["containers"])
    }
    assert named == listening


def test_the_autoscaler_stops_where_partitions_do(production: list[Object]) -> None:
    [scaler] = _of_kind(production, "HorizontalPodAutoscaler")
    [kustomization] = _of_kind(production, "Kustomization")
    literals = kustomization["configMapGenerator"][0]["literals"]
    assert f"CHARTS_PARTITIONS={scaler['spec']['maxReplicas']}" in literals
