"""The service on a Ray cluster: replicas of the application that ``asr serve`` runs, behind Ray
Serve's proxies.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asr.errors import require
from asr.scale.cluster import LOCAL, connected
from asr.serve.config import ServeConfig

__all__ = ["serve_on_ray"]

NAME = "asr"
CHECKED_EVERY_S = 10.0  # whether a replica still answers


def serve_on_ray(
    models: Sequence[str | Path], config: ServeConfig, address: str, replicas: int = 0
) -> None:
    """Serve on a cluster until SIGTERM or SIGINT; then take no more, answer what is open, and
    return.

    Every replica loads the models, and gathers batches of its own; what waits beyond its queue is
    refused with 503. A replica that dies is replaced: its requests in flight are answered with 500,
    all others go on. Streams stay with their replica; nothing else is kept between requests. The
    proxies listen on every machine, at the same port.

    Args:
        models: folders, on storage that all machines share.
        config: settings, of each replica.
        address: see :func:`asr.scale.cluster.connected`.
        replicas: 0 for as many as the cluster has processors for.

    Raises:
        MissingDependencyError: Ray Serve is not installed. ConfigError: no cluster there. Others:
        see
            :func:`asr.serve.app.create_app`.
    """
    for package, extra in (("ray", "ray"), ("grpc_reflection", "ray"), ("fastapi", "serve")):
        require(package, extra)
    folders = _checked(models, config)
    cpus = max(1, config.threads)
    with connected(address, replicas * cpus if address == LOCAL else 0) as processors:
        serve: Any = require("ray.serve", "ray")

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            http_options={"host": config.host, "port": config.port, "request_timeout_s": None}
        )
        replica = serve.deployment(
            num_replicas=replicas or max(1, processors // cpus),
            max_ongoing_requests=config.queue_size + config.max_batch_size,
            ray_actor_options={"num_cpus": cpus},
            graceful_shutdown_timeout_s=config.shutdown_s,
            health_check_period_s=CHECKED_EVERY_S,
        )(serve.ingress(_builder(folders, config))())
        serve.run(replica.bind(), name=NAME)
        print(f"serving at http://{config.host}:{config.port}", file=sys.stderr, flush=True)
        _wait_for_signal()
        serve.delete(NAME)  # replicas answer what they have before they go
        serve.shutdown()


def _wait_for_signal() -> None:
    stopped = threading.Event()
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # in place of Ray's own handler, which leaves at once
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


def _checked(models: Sequence[str | Path], config: ServeConfig) -> list[str]:
    """Return the folders of models once they are known to open and to fit: refused here, not by
    every replica.
    """
    from asr.model_folder import find_model
    from asr.serve.app import create_app

    create_app(models, config)
    return [str(find_model(model).resolve()) for model in models]


def _builder(folders: list[str], config: ServeConfig) -> Callable[[], Any]:
    """Return what makes the application, in each replica."""

    def build() -> Any:
        from asr.serve.app import create_app
        from asr.serve.server import log_as_json

        log_as_json()
        return create_app(folders, config)

    return build
