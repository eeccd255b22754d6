"""The speaker model that comes with asr, on synthetic voices, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from talks import LINES, RATE, VOICES, said, talk, write

from asr.audio.reading import open_recording
from asr.cli import main
from asr.scoring.diarization import score_turns
from asr.speakers.diarization import DiarizationConfig, diarize
from asr.speakers.embedder import NETWORK_FILE, SpeakerEmbedder
from asr.speakers.verification import verify
from asr.speech.transcripts.speakers import SpeakerLabeller, SpeakerOptions
from asr.text.rttm import SpeakerTurn, read_rttm


@pytest.fixture(scope="module")
def embedder() -> SpeakerEmbedder:
    return SpeakerEmbedder.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("talk")
    samples, _ = talk(["man", "woman", "man", "woman"])
    write(made / "talk.wav", samples)
    for who in VOICES:
        write(made / f"{who}.wav", np.concatenate([said(who, line) for line in LINES[4:]]))
    rng = np.random.default_rng(0)
    write(made / "noise.wav", (0.1 * rng.standard_normal(3 * RATE)).astype(np.float32))
    write(made / "silence.wav", np.zeros(2 * RATE, np.float32))
    write(made / "short.wav", said("man", LINES[0])[: 2 * RATE])
    return made


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return int(done.value.code or 0)


def test_the_folder_is_small() -> None:
    from asr.model_folder import find_model

    folder = find_model("speaker")
    assert (folder / NETWORK_FILE).is_file()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000


def test_voices_are_told_apart(embedder: SpeakerEmbedder, folder: Path) -> None:
    same = verify(embedder, str(folder / "man.wav"), str(folder / "short.wav"))
    other = verify(embedder, str(folder / "man.wav"), str(folder / "woman.wav"))
    assert same.log_odds > other.log_odds + 2


def test_loudness_does_not_matter(embedder: SpeakerEmbedder) -> None:
    line = said("woman", LINES[1])
    loud, quiet = (embedder.voice(gain * line, RATE).embedding for gain in (1.0, 0.02))
    assert float(loud @ quiet) > 0.97


def test_two_speakers_are_found_where_they_speak(embedder: SpeakerEmbedder) -> None:
    samples, truth = talk(["man", "woman", "man", "woman", "man", "woman"])
    reference = [SpeakerTurn(*turn) for turn in truth]
    with open_recording(samples, RATE) as recording:
        blocks = list(recording.resampled(RATE, "mix"))
    found = diarize(blocks, embedder, DiarizationConfig(speakers=2))
    assert score_turns(reference, found.turns, collar_s=0.25).der < 0.15


def test_transcribe_writes_speakers_in_every_format(folder: Path, tmp_path: Path) -> None:
    asked = ["--num-speakers", "2", "--enrol", f"anna={folder / 'woman.wav'}"]
    formats = "txt,json,srt,vtt,tsv,ctm,rttm"
    code = run("transcribe", str(folder / "talk.wav"), *asked, "-f", formats, "-o", str(tmp_path))
    assert code == 0
    content = json.loads((tmp_path / "talk.json").read_text())
    named = {segment["speaker"] for segment in content["segments"]}
    assert len(named) == 2
    turns = read_rttm(tmp_path / "talk.rttm")["talk"]
    assert {turn.speaker.replace("_", " ") for turn in turns} >= named
    assert len(content["turns"]) == len(turns)
    for suffix in ("txt", "srt", "vtt", "tsv"):
        assert all(name in (tmp_path / f"talk.{suffix}").read_text() for name in named)


@pytest.mark.parametrize("name", ["silence", "noise", "short"])
def test_recordings_with_nobody_or_little_are_transcribed(name: str, folder: Path) -> None:
    assert run("transcribe", str(folder / f"{name}.wav"), "--speakers") == 0


def test_verify_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = str(folder / "man.wav"), str(folder / "short.wav")
    assert run("verify", *pair, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content.keys() == {"same", "probability", "log_odds", "cosine", "notes"}
    assert 0 <= content["probability"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--enrol", "anna=silence.wav"], "cannot be enrolled"),
        (["--enrol", "anna"], "NAME=RECORDING"),
        (["--enrol", "Speaker 1=man.wav"], "cannot be a speaker's name"),
        (["--speakers", "--channels", "all"], "Channels apart"),
        (["--speakers", "--n-best", "2", "-f", "json"], "N-best"),
        (["-f", "rttm"], "Add --speakers"),
        (["--speaker-model", "speaker"], "goes with --speakers"),
        (["--speakers", "--speaker-model", "en"], "speaker"),
        (["--speakers", "--ray", "local", "-o", "x"], "one machine"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert run("transcribe", "talk.wav", *arguments) != 0
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_enrolment_of_noise_names_nobody(folder: Path) -> None:
    labeller = SpeakerLabeller(SpeakerOptions(enrolled={"anna": str(folder / "noise.wav")}))
    assert "anna" not in labeller.diarize(str(folder / "talk.wav")).speakers
