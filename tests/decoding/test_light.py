"""The decoder needs numpy and numba, and nothing else that is not Python's own."""

import subprocess
import sys

CODE = """
import importlib.abc, sys
ALLOWED = {"numpy", "numba", "llvmlite", "asr"}

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=top)

sys.meta_path.insert(0, Refuse())
import numpy as np
from asr.decoding import BeamDecoder, Vocabulary
from asr.decoding.compat import build_ctcdecoder

labels = ["<pad>", "|", "A", "B"]
probs = np.full((4, 4), 0.01)
probs[[0, 1, 2, 3], [2, 1, 3, 0]] = 0.97
decoder = BeamDecoder(Vocabulary.read(labels, case="lower"), lm=sys.argv[1])
print(decoder(probs, kind="probs")[0].text)
print(build_ctcdecoder(["<pad>", "|", "a", "b"], sys.argv[1]).decode(np.log(probs)))
print(sorted(m for m in ("torch", "scipy", "onnxruntime", "soundfile") if m in sys.modules))
"""


def test_a_decode_imports_numpy_and_numba_only(arpa: object) -> None:
    command = [sys.executable, "-c", CODE, str(arpa)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout == "a b\na b\n[]\n"
