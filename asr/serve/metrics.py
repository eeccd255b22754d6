"""Prometheus metrics of the service and of each model, and the JSON log."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from asr.serve.drift import DriftMonitor

__all__ = ["JsonFormatter", "ModelMetrics", "ServiceMetrics"]

logger = logging.getLogger("asr.serve")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class ServiceMetrics:
    """The registry and its metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "asr_requests_total", "HTTP requests", ["route", "status"], registry=registry
        )
        self.recordings = Counter(
            "asr_recordings_total", "Recordings by outcome", ["model", "outcome"], registry=registry
        )
        self.audio = Counter(
            "asr_audio_seconds_total", "Audio transcribed", ["model"], registry=registry
        )
        self.latency = Histogram(
            "asr_latency_seconds",
            "From the recording's arrival to its text",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.batch = Histogram(
            "asr_batch_size",
            "Recordings computed together",
            ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.queue = Gauge("asr_queue_depth", "Recordings that wait", ["model"], registry=registry)
        self.streams = Gauge("asr_open_streams", "Open WebSockets", registry=registry)
        self.confidence = Gauge(
            "asr_confidence",
            "Mean word confidence of the last recording",
            ["model"],
            registry=registry,
        )
        self.drift = Gauge(
            "asr_drift_score",
            "Standard errors away from the first requests",
            ["model", "signal"],
            registry=registry,
        )
        self.alarm = Gauge(
            "asr_drift_alarm",
            "1 while a signal has drifted",
            ["model", "signal"],
            registry=registry,
        )

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class ModelMetrics:
    """The metrics of one model, with drift monitors of confidence, speed and errors.

    Args:
        service: where they are registered.
        model: its name.
        window: see :class:`asr.serve.drift.DriftMonitor`.
        sigma: see :class:`asr.serve.drift.DriftMonitor`.
    """

    def __init__(self, service: ServiceMetrics, model: str, window: int, sigma: float) -> None:
        self.service, self.model = service, model
        self.monitors = {
            name: DriftMonitor(window, sigma) for name in ("confidence", "speed", "errors")
        }

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Export the queue's length, read by ``depth`` whenever metrics are fetched."""
        self.service.queue.labels(self.model).set_function(depth)

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch."""
        self.service.batch.labels(self.model).observe(size)

    def done(self, seconds: float, duration_s: float, confidence: float | None) -> None:
        """Count a transcribed recording.

        Args:
            seconds: from its arrival to its text.
            duration_s: of the recording.
            confidence: mean of its words; None without words.
        """
        self.service.recordings.labels(self.model, "ok").inc()
        self.service.audio.labels(self.model).inc(duration_s)
        self.service.latency.labels(self.model).observe(seconds)
        self._drift("errors", 0.0)
        self._drift("speed", seconds / max(duration_s, 0.1))
        if confidence is not None:
            self.service.confidence.labels(self.model).set(confidence)
            self._drift("confidence", confidence)

    def failed(self, outcome: str) -> None:
        """Count a recording that was refused or failed; ``outcome`` says why."""
        self.service.recordings.labels(self.model, outcome).inc()
        self._drift("errors", 1.0)

    def _drift(self, signal: str, value: float) -> None:
        monitor = self.monitors[signal]
        before, after = monitor.alarm, monitor.add(value)
        self.service.drift.labels(self.model, signal).set(monitor.score())
        self.service.alarm.labels(self.model, signal).set(after)
        if after and not before:
            logger.warning(
                "drift",
                extra={"model": self.model, "signal": signal, "score": round(monitor.score(), 1)},
            )


# Fields of every log record; what else there is was given as ``extra``.
STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
SECRET = re.compile(r"([?&]key=)[^&\s\"]+")  # uvicorn logs a WebSocket's address with its key


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, message, and what the caller gave as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": SECRET.sub(r"\1***", record.getMessage()),
            **{name: value for name, value in record.__dict__.items() if name not in STANDARD},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)
