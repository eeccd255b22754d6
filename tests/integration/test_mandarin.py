"""Mandarin in AISHELL-1's layout, said by eSpeak NG: characters as units, scored by characters."""

from __future__ import annotations

import random
from pathlib import Path

import soundfile

from asr.catalogue import train
from asr.run_folder import read_metrics
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.speech.recognizer import load_model
from data_prep.aishell import read_aishell
from data_prep.espeak import speak
from data_prep.prepare import prepare

DIGITS = "一二三四五六七八九"
TRAINING = """
task: ctc
data: {max_batch_size: 4}
specaugment: {freq_masks: 1, freq_width: 8, time_masks: 0}
model: {hidden_dim: 48, num_layers: 2, conv_channels: 8, dropout: 0.0}
optimizer: {lr: 0.004}
trainer: {max_epochs: 25, precision: fp32, threads: 1, accelerator: cpu, pictures_every: 0}
"""


def make_aishell(corpus: Path) -> None:
    """Write sentences of four digits; the voice of dev is not one of training's."""
    chance, lines = random.Random(0), []
    for part, speakers, count in (("train", range(2, 6), 15), ("dev", range(724, 725), 8)):
        for speaker in speakers:
            folder = corpus / "wav" / part / f"S{speaker:04}"
            folder.mkdir(parents=True)
            for number in range(count):
                name, text = (
                    f"BAC009S{speaker:04}W{number:04}",
                    "".join(chance.choices(DIGITS, k=4)),
                )
                speech = speak(
                    text,
                    voice="cmn",
                    speed_wpm=130 + 7 * (speaker % 5),
                    pitch=30 + 9 * (speaker % 7),
                )
                soundfile.write(folder / f"{name}.wav", speech.samples, speech.sample_rate)
                lines.append(f"{name} {text[:2]} {text[2:]}\n")
    (corpus / "transcript").mkdir()
    (corpus / "transcript" / "aishell_transcript_v0.8.txt").write_text(
        "".join(lines), encoding="utf-8"
    )


def test_from_aishell_to_a_character_error_rate(tmp_path: Path) -> None:
    make_aishell(tmp_path / "corpus")
    prepare(read_aishell(tmp_path / "corpus"), tmp_path / "data", jobs=1)
    (tmp_path / "config.yaml").write_text(TRAINING)
    data = [f"data.{name}={tmp_path / 'data' / name}" for name in ("train", "dev")]
    model = train(tmp_path / "config.yaml", [*data, f"output_dir={tmp_path / 'run'}"])
    recognizer = load_model(model)
    assert set(recognizer.tokens) - {"<blank>", "▁"} == set(DIGITS)
    table = evaluate(ModelOptions(model), [tmp_path / "data" / "dev"], tmp_path / "run")
    error = read_metrics(tmp_path / "run")["dev/cer greedy"].value
    assert error < 0.5, table
    heard = recognizer.transcribe(
        tmp_path / "corpus" / "wav" / "dev" / "S0724" / "BAC009S0724W0000.wav"
    ).text
    assert set(heard) <= set(DIGITS)
