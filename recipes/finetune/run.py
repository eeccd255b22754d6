"""Fine-tune a model on your recordings: the same as `asr learn`, which has the settings.

python recipes/finetune/run.py MODEL RECORDINGS [-o FOLDER] [--normalizer NAME] [key=value ...]
"""

from __future__ import annotations

import sys

from asr.cli import main as command_line
from asr.cli.guard import run_script


def main() -> None:
    """Run ``asr learn`` with these arguments."""
    command_line(["learn", *sys.argv[1:]])


if __name__ == "__main__":
    run_script(main)
