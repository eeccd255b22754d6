"""Run the application under uvicorn."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import ConfigError, require
from asr.serve.config import ServeConfig

if TYPE_CHECKING:
    from asr.serve.guard import Guard

__all__ = ["log_as_json", "run_server"]

PACKAGES = ("fastapi", "fastapi_swagger", "prometheus_client", "python_multipart", "wyoming")


def run_server(models: Sequence[str | Path], config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT; then accept no more, answer what is open, and return.

    Raises:
        MissingDependencyError: the extra ``serve`` is not installed.
        ConfigError: the address is taken or unknown, or the traffic split does not fit the models.
        ModelError: a folder holds no model.
    """
    for package in PACKAGES:
        require(package, "serve")
    uvicorn = require("uvicorn", "serve")
    from asr.serve.app import create_app

    _check_address(config.host, config.port)
    if config.wyoming_port:
        _check_address(config.host, config.wyoming_port)
    log_as_json()
    app = create_app(models, config)
    # uvicorn shuts down in order and then raises the signal again; ignored then, so that the exit
    # status is 0.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    server = _draining(uvicorn, app, config.shutdown_s)(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=max(1, round(config.shutdown_s)),
            ws_max_size=1 << 20,
            timeout_keep_alive=15,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)  # as uvicorn does; its log says why


def _draining(uvicorn: Any, app: Guard, shutdown_s: float) -> Any:
    """Return uvicorn's server, which lets open streams come to their end before it stops.

    By itself uvicorn closes every WebSocket at once.
    """

    class DrainingServer(uvicorn.Server):  # type: ignore[misc]
        async def shutdown(self, sockets: Any = None) -> None:
            for server in self.servers:
                server.close()
            await app.drain(shutdown_s)
            await super().shutdown(sockets)

    return DrainingServer


def _check_address(host: str, port: int) -> None:
    """Refuse an address that is taken or unknown before models are loaded.

    uvicorn would find it only after that, and exit with status 3.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(
            f"Nothing can listen at {host}:{port} ({error.strerror or error}).",
            "Give another --host, --port or --wyoming-port.",
        ) from error


def log_as_json() -> None:
    """Write the logs of the service and of uvicorn to standard error, one JSON object a line."""
    from asr.serve.metrics import JsonFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("asr.serve", "uvicorn.error"):
        logging.getLogger(name).handlers = [handler]
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).propagate = False
