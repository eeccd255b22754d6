from __future__ import annotations

import pytest

from asr.errors import ConfigError
from asr.serve.config import ServeConfig


def test_settings_are_checked() -> None:
    for wrong in (
        {"max_batch_size": 0},
        {"port": 70000},
        {"split": (0.5, 0.6)},
        {"request_timeout_s": 0},
    ):
        with pytest.raises(ConfigError):
            ServeConfig(**wrong)
