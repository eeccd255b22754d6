"""Another recogniser in its own process, for files.py: a text file for each WAV file.

    python files_worker.py SYSTEM MODEL OUT FILE ...

It needs nothing but the recogniser itself.
"""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "english"))

Recognise = Callable[[str], str]


def load_sherpa(folder: str) -> Recognise:
    """sherpa-onnx with the network of this project, greedy, on one thread."""
    import numpy as np
    from sherpa_onnx import OfflineRecognizer

    recognizer = OfflineRecognizer.from_omnilingual_asr_ctc(
        model=f"{folder}/model.onnx", tokens=f"{folder}/tokens.txt", num_threads=1
    )

    def recognise(path: str) -> str:
        with wave.open(path) as file:
            data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        stream = recognizer.create_stream()
        stream.accept_waveform(16_000, data.astype(np.float32) / 32768)
        recognizer.decode_stream(stream)
        return str(stream.result.text)

    return recognise


def load_whisper(size: str) -> Recognise:
    """faster-whisper in 8 bits on two threads, greedy; long recordings as it cuts them."""
    from faster_whisper import WhisperModel
    from worker import whisper_folder

    model = WhisperModel(
        str(whisper_folder(size)),
        device="cpu",
        compute_type="int8",
        cpu_threads=2,
        local_files_only=True,
    )

    def recognise(path: str) -> str:
        segments, _ = model.transcribe(path, language="en", beam_size=1)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise


def main() -> None:
    """Transcribe and write."""
    system, model, out, *paths = sys.argv[1:]
    if system == "sherpa":
        recognise = load_sherpa(model)
    else:
        recognise = load_whisper(system.removeprefix("whisper-"))
    for path in paths:
        text = recognise(path)
        (Path(out) / f"{Path(path).stem}.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
