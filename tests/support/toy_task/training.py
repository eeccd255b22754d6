from __future__ import annotations

from pathlib import Path

from asr.errors import ConfigError
from asr.lines import iter_lines
from asr.run_folder import Metric, update_metrics
from toy_task.config import ToyConfig
from toy_task.estimator import LengthGuesser


def train_toy(config: ToyConfig, resume: bool = True) -> Path:
    """Train on a text file, a text a line; return the model folder."""
    if not config.train:
        raise ConfigError("train names no file.", "Give train=FILE.")
    texts = list(iter_lines(config.train))
    guesser = LengthGuesser(config).fit(texts)
    run_dir = Path(config.output_dir)
    update_metrics(run_dir, {"dev/accuracy": Metric(guesser.score(texts), "dev")})
    return guesser.save(run_dir / "model")
