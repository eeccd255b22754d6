"""Settings of the service."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import check_range
from asr.errors import ConfigError

__all__ = ["ServeConfig"]


@dataclass(frozen=True)
class ServeConfig:
    """How the service behaves.

    Attributes:
        host: address to listen at.
        port: to listen at.
        wyoming_port: for the Wyoming protocol; 0: it is not spoken.
        language: code of the language of models that do not say theirs.
        punctuation: texts have marks and capitals where the model has a text model and the request
            does not say.
        numbers: texts have English numbers in figures where the request does not say.
        text_model: sets the marks; see :class:`asr.speech.transcripts.writing.WritingConfig`.
        api_keys: those accepted in ``Authorization: Bearer KEY``; empty: no key is needed.
        split: share of the requests that each speech model gets, in order; they add up to 1.
        max_batch_size: recordings in a batch; 1: no batching.
        max_wait_ms: longest time that a recording waits for a fuller batch while the network is
            idle.
        max_batch_s: padded seconds in a batch.
        queue_size: recordings that may wait; more are refused with 503.
        max_bytes: largest recording.
        max_duration_s: longest recording.
        max_files: recordings in a request.
        request_timeout_s: from the arrival of a recording to its text, 504 after that.
        upload_timeout_s: for the body of a request, 408 after that.
        max_streams: open WebSockets.
        stream_idle_s: seconds without audio after which a stream is closed.
        max_jobs: long recordings that may wait or be worked on; 0: no jobs are taken.
        max_job_bytes: largest recording of a job.
        max_job_s: longest recording of a job.
        job_upload_timeout_s: for the body of a job.
        job_ttl_s: seconds that the result of a job is kept.
        corrections_dir: folder for corrected transcripts and their recordings; empty: none.
        learn_s: longest training on them that clients may start, in seconds; 0: they may start
            none.
        shutdown_s: seconds that open requests get on SIGTERM.
        threads: processor threads of each model's network.
        backend: of the speech models, see :func:`asr.speech.acoustics.backends.choose_backend`.
        drift_window: requests over which the means of the drift monitors are taken.
        drift_sigma: difference of two means, in standard errors, that raises an alarm.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    wyoming_port: int = 0
    language: str = "en"
    punctuation: bool = True
    numbers: bool = False
    text_model: str = "auto"
    api_keys: tuple[str, ...] = ()
    split: tuple[float, ...] = ()
    max_batch_size: int = 16
    max_wait_ms: float = 5.0
    max_batch_s: float = 240.0
    queue_size: int = 128
    max_bytes: int = 50_000_000
    max_duration_s: float = 600.0
    max_files: int = 16
    request_timeout_s: float = 60.0
    upload_timeout_s: float = 30.0
    max_streams: int = 16
    stream_idle_s: float = 30.0
    max_jobs: int = 16
    max_job_bytes: int = 1_000_000_000
    max_job_s: float = 6 * 3600.0
    job_upload_timeout_s: float = 600.0
    job_ttl_s: float = 3600.0
    corrections_dir: str = ""
    learn_s: float = 0.0
    shutdown_s: float = 30.0
    threads: int = 1
    backend: str = "auto"
    drift_window: int = 200
    drift_sigma: float = 5.0

    def __post_init__(self) -> None:
        for name in (
            "max_batch_size",
            "queue_size",
            "max_bytes",
            "max_files",
            "max_streams",
            "drift_window",
        ):
            check_range(f"serve.{name}", getattr(self, name), 1)
        check_range("serve.port", self.port, 0, 65535)
        check_range("serve.wyoming_port", self.wyoming_port, 0, 65535)
        for name in (
            "max_wait_ms",
            "max_batch_s",
            "max_duration_s",
            "max_jobs",
            "max_job_bytes",
            "max_job_s",
            "job_ttl_s",
            "threads",
            "drift_sigma",
            "learn_s",
        ):
            check_range(f"serve.{name}", getattr(self, name), 0)
        for name in (
            "request_timeout_s",
            "upload_timeout_s",
            "job_upload_timeout_s",
            "stream_idle_s",
            "shutdown_s",
        ):
            check_range(f"serve.{name}", getattr(self, name), 0.01)
        if self.learn_s and not self.corrections_dir:
            raise ConfigError(
                "There are no corrections to learn from.", "Give --corrections-dir FOLDER too."
            )
        if self.split and (min(self.split) < 0 or abs(sum(self.split) - 1) > 1e-6):
            raise ConfigError(
                f"The traffic split {self.split} does not add up to 1.", "Example: --split 0.9,0.1"
            )
