"""sherpa-onnx's own Python server, ``non_streaming_server.py``, with a network that we exported.

    asr export en --format sherpa -o sherpa/en
    PYTHON_WITH_SHERPA_ONNX benchmarks/deploy/sherpa_server.py --port 9000 --model sherpa/en
        --server sherpa-onnx/python-api-examples

The server's command line has no option for networks that take samples, which is all that is added.
It needs websockets < 14. One thread for the network; batches as the server makes them by default.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys

import sherpa_onnx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True, help="folder of asr export --format sherpa")
    parser.add_argument("--server", required=True, help="folder with non_streaming_server.py")
    given = parser.parse_args()
    sys.path.insert(0, given.server)
    server = importlib.import_module("non_streaming_server")
    sys.argv = [sys.argv[0], f"--port={given.port}", f"--doc-root={given.server}/web"]
    theirs = server.get_args()
    recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=f"{given.model}/model.onnx", tokens=f"{given.model}/tokens.txt", num_threads=1
    )
    running = server.NonStreamingServer(
        recognizer=recognizer,
        max_wait_ms=theirs.max_wait_ms,
        max_batch_size=theirs.max_batch_size,
        nn_pool_size=theirs.nn_pool_size,
        max_message_size=theirs.max_message_size,
        max_queue_size=theirs.max_queue_size,
        max_active_connections=theirs.max_active_connections,
        doc_root=theirs.doc_root,
    )
    asyncio.run(running.run(given.port))


if __name__ == "__main__":
    main()
