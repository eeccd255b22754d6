"""Where the time of a transcription goes: start-up, and the parts of a recording's way to text.

Every start is a fresh process (:mod:`asr.speech.jobs.profiling_process`): what a process has
imported, opened or compiled would make the next start look cheap.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError
from asr.speech.jobs.fresh_process import in_fresh_process

__all__ = [
    "RECORDING",
    "START",
    "START_UP",
    "Part",
    "ProfileConfig",
    "ProfileJob",
    "phase_of",
    "profile",
]

START = "start-up"  # the phase of the parts START_UP
START_UP = ("imports", "network", "words and language model", "text model", "first recording")
RECORDING = ("reading", "features", "network", "search", "text")
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ProfileConfig:
    """What is measured.

    Attributes:
        clips_s: lengths of the recordings, in seconds.
        repeats: recordings of each length, of which the median is taken.
        starts: fresh processes, of which the median is taken.
        device: torch's name.
        backend: ``torch``, ``onnxruntime`` or ``auto``.
        threads: of the processor, 0 for the library's own choice.
    """

    clips_s: tuple[float, ...] = (1.0, 5.0, 15.0)
    repeats: int = 20
    starts: int = 3
    device: str = "cpu"
    backend: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.clips_s or min(self.clips_s) < 0.1:
            raise ConfigError("A clip must be at least 0.1 s long.", "Example: --clip-s 1,5,15")
        for name in ("repeats", "starts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1.", "Give a larger number.")


@dataclass(frozen=True)
class ProfileJob:
    """What a fresh process measures.

    Attributes:
        model: path of the model folder, or name.
        audio: paths of the recordings of each length.
        config: how.
        begun: seconds of the system's clock at which the process was started.
    """

    model: str
    audio: list[list[str]]
    config: ProfileConfig = field(default_factory=ProfileConfig)
    begun: float = 0.0

    @classmethod
    def from_json(cls, text: str) -> ProfileJob:
        """Return the job that a process was given."""
        content = json.loads(text)
        how = content.pop("config")
        config = ProfileConfig(**{**how, "clips_s": tuple(how["clips_s"])})
        return cls(**content, config=config)


@dataclass(frozen=True)
class Part:
    """What a part of the work takes.

    Attributes:
        phase: :data:`START`, or the length of the recording, see :func:`phase_of`.
        name: one of :data:`START_UP` or :data:`RECORDING`.
        seconds: by the clock.
        processor_s: of all threads. Beside other work it says more than the clock.
    """

    phase: str
    name: str
    seconds: float
    processor_s: float


def phase_of(clip_s: float) -> str:
    """Return the name of the phase in which a recording of this length is transcribed."""
    return f"{clip_s:g} s"


def profile(
    model: str, recordings: Sequence[Samples], sample_rate: int, config: ProfileConfig
) -> list[Part]:
    """Return what each part of start-up and of transcription takes, medians.

    Args:
        model: path of a model folder or of a run folder, or name.
        recordings: (n,) to cut the clips from.
        sample_rate: of them in Hz.
        config: what to measure.

    Raises:
        ModelError: a process that measured failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        audio = _write_clips(Path(folder), recordings, sample_rate, config)
        runs = [_in_fresh_process(model, audio, config) for _ in range(config.starts)]
    parts: dict[tuple[str, str], list[Part]] = {}
    for run in runs:
        for part in run:
            parts.setdefault((part.phase, part.name), []).append(part)
    return [
        Part(*place, median(p.seconds for p in own), median(p.processor_s for p in own))
        for place, own in parts.items()
    ]


def _write_clips(
    folder: Path, recordings: Sequence[Samples], sample_rate: int, config: ProfileConfig
) -> list[list[str]]:
    """Write clips as files, which the measured process reads; return their paths."""
    import soundfile

    from asr.speech.jobs.bench_process import clips

    paths = []
    for clip_s in config.clips_s:
        own = []
        for n, clip in enumerate(clips(recordings, round(clip_s * sample_rate), config.repeats)):
            own.append(str(folder / f"{clip_s:g}-{n}.wav"))
            soundfile.write(own[-1], clip, sample_rate)
        paths.append(own)
    return paths


def _in_fresh_process(model: str, audio: list[list[str]], config: ProfileConfig) -> list[Part]:
    order = asdict(ProfileJob(model, audio, config, begun=time.time()))
    module = "asr.speech.jobs.profiling_process"
    entries = json.loads(in_fresh_process(module, order, config.threads, model))
    return [Part(**entry) for entry in entries]
