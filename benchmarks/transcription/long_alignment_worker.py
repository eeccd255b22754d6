"""Align one recording, for long_alignment.py: a process that holds nothing of the comparison.

python benchmarks/transcription/long_alignment_worker.py MODEL AUDIO TEXT_FILE PARTIAL OUTPUT

OUTPUT becomes a pickled tuple: the alignment, its processor seconds, the peak of memory in GB.
"""

import pickle
import resource
import sys
import time
from pathlib import Path

import asr
from asr.speech.aligner import AlignmentConfig


def main() -> None:
    """Align and write."""
    name, audio, text, partial, output = sys.argv[1:]
    model = asr.load_model(name, {"method": "greedy"}, threads=1)
    begin = time.process_time()
    config = AlignmentConfig(partial=partial == "True")
    alignment = model.align(audio, Path(text).read_text(), config=config)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    Path(output).write_bytes(pickle.dumps((alignment, seconds, peak)))


if __name__ == "__main__":
    main()
