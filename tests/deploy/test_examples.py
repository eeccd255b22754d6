"""The examples in ``deploy/`` by the schemas of those who read them, and by our own limits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from asr.serve.config import ServeConfig
from asr.serve.guard import OPEN_ROUTES

FOLDER = Path(__file__).parents[2] / "deploy"
COMPOSE, KUBERNETES, UNIT = (
    FOLDER / name for name in ("compose.yaml", "kubernetes.yaml", "asr-serve.service")
)


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return {m["kind"]: m for m in yaml.safe_load_all(KUBERNETES.read_text())}


def test_compose_by_its_schema() -> None:
    pytest.importorskip("check_jsonschema")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    service = yaml.safe_load(COMPOSE.read_text())["services"]["asr"]
    assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_kubernetes_by_its_schema(manifests: dict[str, Any]) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="needs kubernetes-validate, which is large"
    )
    for manifest in manifests.values():
        validator.validate(manifest, validator.latest_version(), strict=True)


def test_the_parts_of_the_manifest_fit(manifests: dict[str, Any]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in manifests["Service"]["spec"]["ports"]} <= ports
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_probes_ask_routes_that_need_no_key(manifests: dict[str, Any]) -> None:
    [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    paths = {probe["httpGet"]["path"] for key, probe in container.items() if "Probe" in key}
    assert paths == {"/ready", "/health"} <= set(OPEN_ROUTES)


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / "asr-serve.service"
    unit.write_text(UNIT.read_text().replace("/opt/asr/bin/asr", shutil.which("true") or ""))
    done = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_all_wait_for_open_requests(manifests: dict[str, Any]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    compose = yaml.safe_load(COMPOSE.read_text())["services"]["asr"]
    stop = re.search(r"TimeoutStopSec=(\d+)", UNIT.read_text())
    assert stop is not None
    least = ServeConfig().shutdown_s
    assert pod["terminationGracePeriodSeconds"] > least + 5  # preStop sleeps
    assert int(compose["stop_grace_period"].removesuffix("s")) > least
    assert int(stop[1]) > least
