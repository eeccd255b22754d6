"""The steps of the Dockerfile in a bare Debian tree: the service runs there and transcribes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bare_debian import BareDebian, context_files, instructions
from service import free_port, wav

import asr
from asr.speech.transcripts.writing import WritingConfig

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
STARTS_WITHIN_S = 300


def test_the_context_has_what_the_build_needs_and_nothing_else() -> None:
    files = {
        str(file) for file in context_files(ROOT, DOCKERFILE.with_name("Dockerfile.dockerignore"))
    }
    needed = {"pyproject.toml", "setup.py", "asr/serve/web/index.html", "pretrained/en/bundle.json"}
    assert needed <= files
    assert {file.split("/")[0] for file in files} == {
        *("asr", "data_prep", "pretrained", "LICENSE", "MANIFEST.in", "README.md"),
        *("constraints.txt", "pyproject.toml", "setup.py"),
    }


def test_the_container_does_not_run_as_root() -> None:
    steps = dict(instructions(DOCKERFILE))
    assert steps["USER"] == "asr"
    assert "/ready" in steps["HEALTHCHECK"]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[BareDebian]:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("needs debootstrap, and root for it")
    tree = tmp_path / "tree"
    tree.mkdir()
    yield BareDebian(tree, ROOT)
    shutil.rmtree(tree)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_bare_debian_serves(container: BareDebian) -> None:
    container.build(DOCKERFILE)
    assert not list(container.tree.glob("**/site-packages/torch"))
    assert not (container.tree / "src").exists()
    port = free_port()
    asked = ["serve", "en", "--host", "127.0.0.1", "--port", str(port)]
    with container.start([*container.entrypoint, *asked], stderr=subprocess.PIPE) as service:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + STARTS_WITHIN_S
        while not is_ready(url):
            assert service.poll() is None, service.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        health = [part.replace(":8000", f":{port}") for part in container.healthcheck]
        container.run(health)
        sound = wav(4.0)
        answer = httpx.post(f"{url}/v1/transcribe", files={"file": ("x.wav", sound)}, timeout=100)
        expected = asr.load_model("en", writing=WritingConfig("auto")).transcribe(sound)
        assert answer.json()["results"][0]["text"] == expected.text
        assert httpx.get(f"{url}/page/main.js").status_code == 200
        status = Path(f"/proc/{service.pid}/status").read_text()
        user = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid"))
        assert user == "10001"
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False
