"""Worker in pyctcdecode's environment: jobs as JSON lines in, texts and CPU seconds out."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from pyctcdecode import build_ctcdecoder


def main() -> None:
    folder, lm = sys.argv[1:3]
    begin = time.perf_counter()
    tokens = json.loads(Path(folder, "tokens.json").read_text(encoding="utf-8"))
    words = Path(folder, "words.txt").read_text(encoding="utf-8").split("\n")
    characters = max(len(token) for token in tokens[1:]) == 1
    labels = ["", *(" " if characters and token == "▁" else token for token in tokens[1:])]
    decoder = build_ctcdecoder(labels, lm, unigrams=words)
    answer({"start_s": time.perf_counter() - begin})
    for line in sys.stdin:
        job = json.loads(line)
        alpha, beta, unknown = job["weights"]
        decoder.reset_params(alpha=alpha, beta=beta, unk_score_offset=unknown)
        with np.load(job["file"]) as data:
            arrays = [data[f"log_probs_{i}"] for i in range(len(data["references"]))][
                slice(*job["part"])
            ]
        begin = time.process_time()
        texts = [decoder.decode(array, **job["setting"]) for array in arrays]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer({"texts": texts, "cpu_s": time.process_time() - begin, "peak_mb": peak})


def answer(content: dict) -> None:
    print(json.dumps(content), flush=True)


main()
