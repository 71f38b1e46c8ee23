"""The files for hosts: each valid by its own schema, and all of them agreed on ports, users, images and the names of settings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests import image
from wdviz.serving import options

DEPLOY = image.ROOT / ".deploy"
KUBERNETES = DEPLOY / "kubernetes"
PORT = "8501"
USER = 1000  # of Hugging Face Spaces, too
OTHERS = {"WDVIZ_CACHE", "WDVIZ_CHUNK", "WDVIZ_DASK"}  # settings that are read outside wdviz/serving/options.py


def manifests() -> list[Any]:
    paths = [path for path in sorted(KUBERNETES.rglob("*.yaml")) if path.name not in ("kustomization.yaml", "prometheus-adapter.yaml")]
    found = [(path, document) for path in paths for document in yaml.safe_load_all(path.read_text())]
    return [pytest.param(document, id=f"{path.stem}-{document['kind']}") for path, document in found]


def documents(kind: str) -> list[dict[str, Any]]:
    return [parameter.values[0] for parameter in manifests() if parameter.values[0]["kind"] == kind]


def pods() -> list[dict[str, Any]]:
    return [document["spec"]["template"] for document in documents("Deployment")]


def compose() -> dict[str, Any]:
    return yaml.safe_load((image.ROOT / "compose.yaml").read_text())


def environments() -> Iterator[str]:
    """The names of all settings that any of these files sets."""
    yield from image.environment()
    for service in compose()["services"].values():
        yield from service.get("environment", {})
    for pod in pods():
        yield from (entry["name"] for container in pod["spec"]["containers"] for entry in container.get("env", []))
    patched = yaml.safe_load((KUBERNETES / "dask" / "kustomization.yaml").read_text())["patches"][0]["patch"]
    yield from (change["value"]["name"] for change in yaml.safe_load(patched))


# --- each by itself ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.30", "1.36"])
@pytest.mark.parametrize("document", manifests())
def test_manifests_keep_to_the_schemas_of_kubernetes(document: dict[str, Any], version: str):
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("folder", [KUBERNETES, KUBERNETES / "dask"], ids=lambda path: path.name)
def test_each_manifest_is_applied(folder: Path):
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "prometheus-adapter.yaml"}
    assert set(listed["resources"]) == there


def test_the_compose_file_keeps_to_its_schema():
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    subprocess.run(program, cwd=image.ROOT, check=True)


def test_the_dockerfile_can_be_read_and_has_no_bad_habits():
    program = Path(sys.executable).with_name("hadolint")
    subprocess.run([program, "--failure-threshold", "style", "Dockerfile"], cwd=image.ROOT, check=True)


# --- the image --------------------------------------------------------------------------------------------------------------------


def test_the_image_takes_what_it_is_sent_and_nothing_else():
    assert {source for source, _ in image.taken(image.stages())} == image.allowed()
    assert all((image.ROOT / source).exists() for source in image.allowed())


def test_the_image_installs_what_is_locked_and_nothing_else():
    installs = [step.text for stage in image.stages() for step in stage if "install " in step.text and "pip" in step.text]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert installs[0].count(" -r requirements.txt") == 1
    locked = (image.ROOT / "requirements.txt").read_text()
    wanted = tomllib.loads((image.ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert all(re.search(rf"^{re.split('[><=]', name)[0]}==", locked, re.MULTILINE) for name in wanted)


def test_the_image_s_user_cannot_change_the_program():
    steps = image.stages()[-1]
    user = next(k for k, step in enumerate(steps) if step.name == "USER")
    assert steps[user].text == f"{USER}:{USER}"
    assert not [step for step in steps[user:] if step.name == "COPY"]
    assert not [step for step in steps if "--chown" in step.text]
    assert image.last("WORKDIR").text != "/"


def test_what_the_image_compiles_is_in_the_folder_that_stays_writable():
    folder = image.environment()["WDVIZ_CACHE"]
    steps = image.stages()[-1]
    names = [step.name for step in steps]
    assert image.last("VOLUME").text == folder
    assert "python -m wdviz.serving.warmup" in steps[names.index("VOLUME") - 1].text  # later changes would be lost


def test_the_image_s_server_asks_nobody_for_its_address():
    assert "--browser.serverAddress=localhost" in image.last("CMD").words


# --- all together -----------------------------------------------------------------------------------------------------------------


def test_every_setting_exists():
    known = {f"WDVIZ_{name.upper()}" for name in options.Options.__dataclass_fields__} | OTHERS
    used = {name for name in environments() if name.startswith("WDVIZ_")}
    assert used - known == set()
    assert {"WDVIZ_DASK", "WDVIZ_METRICS", "WDVIZ_PROXIES"} <= used
    guide = set(re.findall(r"`(WDVIZ_[A-Z_]+)`", (image.ROOT / "HOSTING.md").read_text()))
    assert guide == known


def test_values_of_settings_are_allowed():
    for service in compose()["services"].values():
        options.read(service.get("environment", {}))
    for pod in pods():
        options.read({entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0].get("env", []) if "value" in entry})


def test_ports_agree():
    assert image.last("EXPOSE").text == PORT
    assert f"--server.port={PORT}" in image.last("CMD").words
    assert f":{PORT}/" in image.last("HEALTHCHECK").text
    configuration = (DEPLOY / "nginx.conf").read_text()
    servers = set(re.findall(r"^ +server (\w+):(\d+)", configuration, re.MULTILINE))
    assert servers == {(name, PORT) for name in compose()["services"] if name != "nginx"}
    outer = re.findall(r"listen (\d+);", configuration)
    assert [port.split(":")[1] for port in compose()["services"]["nginx"]["ports"]] == outer
    assert yaml.safe_load((DEPLOY / "huggingface" / "README.md").read_text().split("---")[1])["app_port"] == int(PORT)
    app = next(pod for pod in pods() if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "wdviz")["spec"]["containers"][0]
    ports = {port["name"]: str(port["containerPort"]) for port in app["ports"]}
    metrics = next(entry["value"] for entry in app["env"] if entry["name"] == "WDVIZ_METRICS").rpartition(":")[2]
    assert ports == {"http": PORT, "metrics": metrics}
    assert documents("Service")[0]["spec"]["ports"][0]["targetPort"] in (*ports, "dask")


def test_addresses_agree():
    services = compose()["services"]
    addresses = {name: service["networks"]["inside"]["ipv4_address"] for name, service in services.items()}
    assert len(set(addresses.values())) == len(services)
    assert set(services["nginx"]["extra_hosts"]) == {f"{name}={where}" for name, where in addresses.items() if name != "nginx"}
    assert {service["environment"]["WDVIZ_PROXIES"] for name, service in services.items() if name != "nginx"} == {addresses["nginx"]}


def test_selectors_find_their_pods():
    labels = [pod["metadata"]["labels"] for pod in pods()]
    kinds = ("Deployment", "PodDisruptionBudget")
    wanted = [document["spec"]["selector"]["matchLabels"] for kind in kinds for document in documents(kind)]
    wanted += [document["spec"]["selector"] for document in documents("Service")]
    for policy in [document["spec"] for document in documents("NetworkPolicy")]:
        peers = [peer for way in ("ingress", "egress") for rule in policy[way] for peer in [*rule.get("from", []), *rule.get("to", [])]]
        wanted += [part["podSelector"]["matchLabels"] for part in (policy, *peers) if "podSelector" in part]
    assert all(any(selector.items() <= label.items() for label in labels) for selector in wanted)


@pytest.mark.parametrize("pod", [pytest.param(pod, id=pod["metadata"]["labels"]["app.kubernetes.io/name"]) for pod in pods()])
def test_pods_are_confined(pod: dict[str, Any]):
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == USER
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        assert container["image"] == "wdviz"
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in spec["volumes"]}


def test_containers_of_compose_are_confined():
    for service in compose()["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]


def test_a_pod_ends_after_its_visitors_had_time():
    for pod in pods():
        pause = pod["spec"]["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["spec"].get("terminationGracePeriodSeconds", 30) >= pause + 20


def test_the_autoscaler_s_metric_comes_from_one_that_the_server_gives():
    from wdviz.serving import metrics

    rule = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())["rules"]["custom"][0]
    asked = documents("HorizontalPodAutoscaler")[0]["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["name"]["as"] == asked
    assert re.match(r"\w+", rule["seriesQuery"]).group() in {family.name for family in metrics.REGISTRY.collect()}  # type: ignore[union-attr]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kustomize_puts_the_parts_together(tmp_path: Path):
    folder = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    listed = folder / "kustomization.yaml"
    listed.write_text(listed.read_text().replace("# components", "components"))
    built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(built))
    assert len(found) == len(manifests())
    for document in found:
        kubernetes_validate.validate(document, "1.36", strict=True)
    assert '"tcp://wdviz-scheduler:8786"' in json.dumps(found)
    assert '"image": "wdviz"' not in json.dumps(found)


def test_the_guide_names_metrics_that_exist():
    from wdviz.serving import metrics

    given = {sample.name for family in metrics.REGISTRY.collect() for sample in family.samples}
    families = {family.name for family in metrics.REGISTRY.collect()}
    named = set(re.findall(r"\b((?:wdviz|process)_\w+)\b(?![^|]*`\.)", (image.ROOT / "HOSTING.md").read_text()))
    assert {name for name in named if not name.isupper()} - given - families - {f"{name}_total" for name in families} == set()
