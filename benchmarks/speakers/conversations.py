"""Conversations made of read speech, with who speaks when in them.

    python benchmarks/speakers/conversations.py TABLE.tsv -o FOLDER [--count 20]
        [--speakers 2 3 4 6] [--overlap 0] [--noise FOLDER] [--snr-db 15] [--rooms] [--seed 1]
        [--whole] [--one-session]

TABLE.tsv has the columns audio and speaker. Turns of 1 to 8 s are cut out of the recordings at
pauses where there are some; between turns lies a pause of 0.1 to 0.8 s, or, in a share of them,
an overlap. Writes FOLDER/NAME.flac and FOLDER/references.rttm. With --whole, turns are whole
recordings of LibriSpeech of at most 8 s, and what they say goes into FOLDER/references.stm. With
--one-session, as in a meeting, a speaker's turns come from one folder (of LibriSpeech, a chapter:
one microphone, one day); otherwise from all that there are of the speaker.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from asr.audio.perturbation import add_noise, add_reverberation, noise_files
from asr.audio.reading import load_audio
from asr.files import atomic_write_text
from asr.speakers.data import SpokenFile, read_recordings
from asr.speakers.store import speech_span
from asr.text.rttm import SpeakerTurn, write_rttm

RATE = 16000
TURN_S = (1.0, 8.0)
Samples = npt.NDArray[np.float32]


class Speaker:
    """Speech of one person, handed out turn by turn.

    Args:
        files: recordings, used one after the other.
        rng: draws.
        room: reverberation time in seconds; 0 for none.
    """

    def __init__(self, files: list[SpokenFile], rng: np.random.Generator, room: float) -> None:
        self.files = [files[n] for n in rng.permutation(len(files))]
        self.rng, self.room, self.rest = rng, room, np.zeros(0, np.float32)
        self.used = 0

    def turn(self, length_s: float) -> Samples:
        """Return about so many seconds of speech."""
        while len(self.rest) < round(TURN_S[0] * RATE):
            samples = load_audio(str(self.files[self.used % len(self.files)].path), RATE).samples
            first, end = speech_span(samples, RATE)
            self.rest, self.used = samples[first:end], self.used + 1
        cut = _quiet_place(self.rest, round(length_s * RATE))
        piece, self.rest = self.rest[:cut], self.rest[cut:]
        return self._heard(piece)

    def whole(self) -> tuple[Samples, str]:
        """Return the next recording that is short enough, and what it says."""
        while True:
            path = self.files[self.used % len(self.files)].path
            self.used += 1
            samples = load_audio(str(path), RATE).samples
            if len(samples) <= TURN_S[1] * RATE or self.used > len(self.files):
                return self._heard(samples), _transcript(path)

    def _heard(self, piece: Samples) -> Samples:
        first, end = speech_span(piece, RATE)
        piece = piece[first:end]
        level = np.sqrt(np.mean(np.square(piece)))
        piece = piece * np.float32(0.05 / max(level, 1e-4))
        if self.room:
            piece = add_reverberation(piece, RATE, self.room, self.rng)
        return np.clip(piece, -1, 1).astype(np.float32)


def _session(files: list[SpokenFile], rng: np.random.Generator) -> list[SpokenFile]:
    """Return the recordings of one of a speaker's folders."""
    folders = sorted({file.path.parent for file in files})
    chosen = folders[int(rng.integers(len(folders)))]
    return [file for file in files if file.path.parent == chosen]


def _transcript(path: Path) -> str:
    """Return what a recording of LibriSpeech says."""
    speaker, chapter, _ = path.stem.split("-")
    lines = (path.parent / f"{speaker}-{chapter}.trans.txt").read_text("utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)[path.stem]


def _quiet_place(samples: Samples, around: int) -> int:
    """Return the quietest place within half a second of ``around``."""
    if len(samples) <= around + RATE // 2:
        return len(samples)
    hop = RATE // 50
    first = max(RATE, around - RATE // 2)
    part = samples[first : around + RATE // 2]
    power = np.square(part[: len(part) // hop * hop]).reshape(-1, hop).mean(1)
    return first + int(np.convolve(power, np.ones(5), "same").argmin()) * hop


def conversation(
    people: dict[str, list[SpokenFile]],
    count: int,
    seconds: float,
    rng: np.random.Generator,
    overlap: float = 0.0,
    *,
    rooms: bool = False,
    whole: bool = False,
    one_session: bool = False,
) -> tuple[Samples, list[SpeakerTurn], list[str]]:
    """Return samples, turns and what is said in them, of so many speakers."""
    names = [str(name) for name in rng.choice(sorted(people), count, replace=False)]
    room = float(rng.uniform(0.2, 0.6)) if rooms else 0.0
    files = {name: people[name] for name in names}
    if one_session:
        files = {name: _session(files[name], rng) for name in names}
    speakers = {name: Speaker(files[name], rng, room) for name in names}
    sound, turns, texts = np.zeros(0, np.float32), list[SpeakerTurn](), list[str]()
    order = list(names)  # so that everybody speaks
    while len(sound) < seconds * RATE or order:
        others = [name for name in names if not turns or name != turns[-1].speaker]
        name = order.pop(0) if order else str(rng.choice(others or names))
        person = speakers[name]
        piece, text = person.whole() if whole else (person.turn(rng.uniform(*TURN_S)), "")
        gap = round(rng.uniform(0.1, 0.8) * RATE)
        if turns and rng.random() < overlap:
            gap = -round(min(0.4 * len(piece), rng.uniform(0.3, 2.0) * RATE))
        start = max(0, len(sound) + gap)
        longer = np.zeros(max(len(sound), start + len(piece)), np.float32)
        longer[: len(sound)] += sound
        longer[start : start + len(piece)] += piece
        sound = longer
        turns.append(SpeakerTurn(start / RATE, (start + len(piece)) / RATE, name))
        texts.append(text)
    return sound, turns, texts


def main() -> None:
    """Write the conversations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("-o", "--output-dir", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20, help="of each number of speakers")
    parser.add_argument("--speakers", type=int, nargs="+", default=[2, 3, 4, 6])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--overlap", type=float, default=0.0, help="share of turns that overlap")
    parser.add_argument("--noise", help="folder")
    parser.add_argument("--snr-db", type=float, default=15.0)
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("--whole", action="store_true", help="recordings, with what they say")
    parser.add_argument("--one-session", action="store_true", help="of each speaker")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    people: dict[str, list[SpokenFile]] = {}
    for recording in read_recordings([args.table]):
        people.setdefault(recording.speaker, []).append(recording)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    references: dict[str, list[SpeakerTurn]] = {}
    said = list[str]()
    for count in args.speakers:
        for number in range(args.count):
            rng = np.random.default_rng((args.seed, count, number))
            sound, turns, texts = conversation(
                people,
                count,
                args.seconds,
                rng,
                args.overlap,
                rooms=args.rooms,
                whole=args.whole,
                one_session=args.one_session,
            )
            if args.noise:
                files = noise_files(args.noise)
                noise = load_audio(files[rng.integers(len(files))], RATE).samples
                sound = add_noise(sound, noise, args.snr_db)
            name = f"{count}-{number:03d}"
            references[name] = turns
            said += [
                f"{name} 1 {turn.speaker} {turn.start:.3f} {turn.end:.3f} {text}\n"
                for turn, text in zip(turns, texts, strict=True)
            ]
            soundfile.write(args.output_dir / f"{name}.flac", np.clip(sound, -1, 1), RATE)
    atomic_write_text(args.output_dir / "references.rttm", write_rttm(references))
    if args.whole:
        atomic_write_text(args.output_dir / "references.stm", "".join(said))


if __name__ == "__main__":
    main()
