"""Independent pieces of work on a Ray cluster or local cores, retried when a worker dies."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from asr.cores import usable_cores
from asr.errors import AsrError, ConfigError, require

__all__ = ["LOCAL", "LostError", "connected", "run_pieces", "share_out"]

LOCAL = "local"
PIECES_A_WORKER = 4  # at least, given enough items, so that workers finish at about the same time
KNOCK_S = 10.0  # time limit for a connection to the cluster
TRIES = 3  # of a single item, before it counts as lost

T = TypeVar("T")
R = TypeVar("R")


class LostError(AsrError):
    """Workers died repeatedly on one item."""


@contextmanager
def connected(address: str, workers: int = 0) -> Iterator[int]:
    """Connect to a Ray cluster, and yield its number of processors.

    Args:
        address: Ray's address, such as ``auto``, ``10.0.0.1:6379`` or ``ray://head:10001``; or
            ``local`` to start a cluster on this machine.
        workers: processes of a local cluster (0: one per core).

    Raises:
        MissingDependencyError: Ray is not installed.
        ConfigError: no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = require("ray", "ray")
    if workers and address != LOCAL:
        raise ConfigError(
            "The number of workers can be chosen only for --ray local, not for a cluster.",
            "Leave the number out.",
        )
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        options |= {
            "address": LOCAL,
            "include_dashboard": False,
            "num_cpus": workers or usable_cores(),
        }
    else:
        options |= {"address": address}
        _knock(address)
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises a bare Exception if a node starts too slowly
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _no_cluster(address, reason) from error
    try:
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Refuse an address without a listener at once; Ray itself would retry for minutes."""
    if (match := re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address)) is None:
        return  # such as auto
    try:
        socket.create_connection((match["host"], int(match["port"])), KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, reason: str) -> ConfigError:
    return ConfigError(
        f"There is no Ray cluster at {address} ({reason}).",
        "Start one with `ray start --head`, or give local.",
    )


def share_out(items: Sequence[T], workers: int, most: int) -> list[Sequence[T]]:
    """Split items into pieces of at most ``most``, several per worker."""
    size = max(1, min(most, -(-len(items) // (PIECES_A_WORKER * workers))))
    return [items[i : i + size] for i in range(0, len(items), size)]


def run_pieces(
    work: Callable[[Sequence[T]], R], pieces: Sequence[Sequence[T]], cpus: int = 1, gpus: float = 0
) -> Iterator[tuple[Sequence[T], R | LostError]]:
    """Yield each piece with the result of ``work``, as they finish; call inside :func:`connected`.

    If a worker dies, its piece is halved and tried again. A single item on which ``TRIES`` workers
    died is yielded with a :class:`LostError`. ``work`` may therefore be called twice on an item.

    Args:
        work: a function that workers can import.
        pieces: lists of items.
        cpus: processors reserved for each call.
        gpus: GPUs reserved for each call.
    """
    yield from _Pieces(work, cpus, gpus).run(pieces)


class _Pieces(Generic[T, R]):
    def __init__(self, work: Callable[[Sequence[T]], R], cpus: int, gpus: float) -> None:
        import ray

        def piece_of_work(piece: Sequence[T]) -> R:
            return work(piece)

        self.remote: Any = ray.remote(piece_of_work).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=0
        )
        self.waiting: dict[Any, tuple[Sequence[T], int]] = {}

    def run(self, pieces: Sequence[Sequence[T]]) -> Iterator[tuple[Sequence[T], R | LostError]]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        for piece in pieces:
            self._start(piece, 1)
        while self.waiting:
            (ready,), _ = ray.wait(list(self.waiting), num_returns=1)
            piece, tries = self.waiting.pop(ready)
            try:
                result = ray.get(ready)
            except RayTaskError as error:  # raised by the work itself, so a retry would not help
                raise error.cause if isinstance(error.cause, AsrError) else error from None
            except RayError as error:
                if (lost := self._again(piece, tries, error)) is not None:
                    yield piece, lost
                continue
            yield piece, result

    def _start(self, piece: Sequence[T], tries: int) -> None:
        self.waiting[self.remote.remote(piece)] = piece, tries

    def _again(self, piece: Sequence[T], tries: int, error: Exception) -> LostError | None:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if len(piece) == 1 and tries >= TRIES:
            return LostError(f"{tries} workers died on it; the last: {reason}")
        print(
            f"a worker died ({reason}); its {len(piece)} item(s) are tried again", file=sys.stderr
        )
        half = (len(piece) + 1) // 2
        for part in (piece[:half], piece[half:]) if len(piece) > 1 else (piece,):
            self._start(part, 1 if len(piece) > 1 else tries + 1)
        return None
