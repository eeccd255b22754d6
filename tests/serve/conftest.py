"""Models and a service that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Server, save_tiny

from asr.speech.export.exporting import export_model


@pytest.fixture(scope="session")
def streaming_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small exported model that can stream, in a folder called ``model``."""
    folder = tmp_path_factory.mktemp("streaming")
    return export_model(save_tiny(folder / "trained", 0), folder / "tiny" / "model").folder


@pytest.fixture(scope="session")
def keyed_server(
    streaming_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A service of that model, which asks for the key ``secret``."""
    log = tmp_path_factory.mktemp("log") / "log"
    running = Server([streaming_model], log, api_keys=["secret"], max_bytes=3_000_000)
    yield running
    assert running.stop() == 0, log.read_text()
