"""Build the wheel, install it in empty environments, and decode there with numpy and numba alone.

    python tools/check_wheel.py [python3.10 python3.12 ...]

Without arguments the Python that runs this is used. For each one the environment has the wheel
(without its dependencies), numpy and numba. Prints the size of the wheel and of its parts, and the
seconds of processor time until the first text.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DECODE = """
import sys, time
begin = time.process_time()
import numpy as np
from asr.decoding import BeamDecoder, Vocabulary
imported = time.process_time()
labels = ["<pad>", "<s>", "</s>", "<unk>", "|", "A", "B"]
probs = np.full((4, 7), 0.01)
probs[[0, 1, 2, 3], [5, 4, 6, 0]] = 0.94
text = BeamDecoder(Vocabulary.read(labels))(np.log(probs))[0].text
assert text == "A B", text
assert not {"torch", "onnxruntime"} & set(sys.modules)
end = time.process_time()
print(f"import {imported - begin:.2f} s, first text {end - imported:.2f} s of processor time")
"""


def main() -> None:
    """Build, measure and check."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = _build(Path(folder))
        print(_sizes(wheel))
        for python in sys.argv[1:] or [sys.executable]:
            _check(python, wheel, Path(folder))


def _build(folder: Path) -> Path:
    """Build in a copy of what git tracks, so that no folder of an earlier build gets in."""
    source = folder / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    archive = ["tar", "--null", "-T", "-", "-cf", str(folder / "source.tar")]
    subprocess.run(archive, cwd=ROOT, input=files.stdout, check=True)
    subprocess.run(["tar", "-xf", str(folder / "source.tar")], cwd=source, check=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), "."]
    subprocess.run(command, cwd=source, check=True)
    return next(folder.glob("*.whl"))


def _sizes(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    parts = {"models": "asr/_pretrained/", "asr.decoding": "asr/decoding/", "asr.lm": "asr/lm/"}
    listed = [
        f"{name} {sum(n for file, n in sizes.items() if file.startswith(start)) / 1e6:.2f} MB"
        for name, start in parts.items()
    ]
    code = sum(n for file, n in sizes.items() if not file.startswith("asr/_pretrained/"))
    return f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; code {code / 1e6:.2f} MB; " + (
        ", ".join(listed)
    )


def _check(python: str, wheel: Path, folder: Path) -> None:
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    environment = folder / version
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    inside = str(environment / "bin" / "python")
    pip = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    subprocess.run([*pip, "numpy", "numba"], check=True)
    for run in ("first run", "second run"):  # the first one compiles
        done = subprocess.run(
            [inside, "-c", DECODE], cwd=folder, check=True, capture_output=True, text=True
        )
        print(f"Python {version}, {run}: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
