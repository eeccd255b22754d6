"""The service on a Ray cluster: replicas of the application of ``asr serve`` behind Ray Serve."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asr.errors import ConfigError, require
from asr.scale.cluster import LOCAL, connected
from asr.serve.config import ServeConfig

__all__ = ["serve_on_ray"]

NAME = "asr"
CHECKED_EVERY_S = 10.0  # health check of the replicas


def serve_on_ray(
    models: Sequence[str | Path], config: ServeConfig, address: str, replicas: int = 0
) -> None:
    """Serve on a cluster until SIGTERM or SIGINT; then answer open requests and return.

    Every replica loads the models and has batches and a queue of its own; requests beyond the queue
    are refused with 503. A replica that dies is replaced: its open requests are answered with 500,
    all others continue. A stream stays with its replica; nothing else is kept between requests. The
    proxies listen on every machine, at the same port.

    Args:
        models: folders, on storage that all machines share.
        config: settings of each replica.
        address: see :func:`asr.scale.cluster.connected`.
        replicas: number of replicas; 0 for as many as the processors allow.

    Raises:
        MissingDependencyError: Ray Serve is not installed.
        ConfigError: there is no cluster at ``address``.
        AsrError: see :func:`asr.serve.app.create_app`.
    """
    for package, extra in (("ray", "ray"), ("grpc_reflection", "ray"), ("fastapi", "serve")):
        require(package, extra)
    if config.wyoming_port:
        raise ConfigError("Replicas cannot share a port for Wyoming.", "Leave wyoming_port at 0.")
    config = replace(config, max_jobs=0)  # a job is known to one replica only
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
        serve.delete(NAME)  # replicas answer their open requests first
        serve.shutdown()


def _wait_for_signal() -> None:
    stopped = threading.Event()
    # These replace Ray's own handlers, which exit at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


def _checked(models: Sequence[str | Path], config: ServeConfig) -> list[str]:
    """Return the model folders; models that cannot be served are refused here, not by replicas."""
    from asr.model_folder import find_model
    from asr.serve.app import create_app

    create_app(models, config)
    return [str(find_model(model).resolve()) for model in models]


def _builder(folders: list[str], config: ServeConfig) -> Callable[[], Any]:
    """Return the function that creates the application in each replica."""

    def build() -> Any:
        from asr.serve.app import create_app
        from asr.serve.server import log_as_json

        log_as_json()
        return create_app(folders, config)

    return build
