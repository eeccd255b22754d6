"""WAV, FLAC, Ogg, MP3, AIFF and more, read by libsndfile; what is cut off is refused.

libsndfile reads what is left of a cut-off file and says nothing. So the length in the header, and
in Ogg the last page, are compared with what is there.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from typing import Any

import soundfile

from asr.audio.recording import Recording, Samples
from asr.audio.spans import opened_binary, spans_of
from asr.errors import AudioError

__all__ = ["SOUND_SUFFIXES", "SoundFileRecording"]

SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64"}

UNKNOWN_LENGTH = 2**62  # samples, in libsndfile's words: FLAC that was written to a pipe
MOST_AT_ONCE = 1 << 26  # samples that are read without blocks: an hour
CUT_OFF = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
PLACEHOLDER_SIZE = 0x7FFFFF00  # from here on: what writers to a pipe leave in the header
SLACK_BYTES = 64  # some writers count their header as sound
MP3_SHARE = 0.98  # of the length in the header, which may only be estimated
OGG, OGG_HEADER_BYTES, OGG_PAGE_BYTES = b"OggS", 27, 65307

ERRORS = (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError)


class SoundFileRecording(Recording):
    """A sound file.

    Args:
        source: path, or open binary file that can seek.
        name: in messages.

    Raises:
        AudioError: libsndfile cannot read it.
    """

    def __init__(self, source: Any, name: str) -> None:
        self._ends_within_page, self._opened = _ends_within_page(source), contextlib.ExitStack()
        try:
            with contextlib.ExitStack() as opened:
                self._files, notes = _open_files(source, opened)
                self._opened = opened.pop_all()
        except ERRORS as error:
            problem = _page_error(name) if self._ends_within_page else _unreadable(name, error)
            raise problem from error
        first, counts = self._files[0], [int(file.frames) for file in self._files]
        super().__init__(
            name,
            sample_rate=int(first.samplerate),
            channels=int(first.channels),
            num_samples=None if max(counts) >= UNKNOWN_LENGTH else sum(counts),
        )
        self.notes += notes
        self._check_alike()

    def close(self) -> None:
        self._opened.close()
        super().close()

    def decode(self, block_s: float) -> Iterator[Samples]:
        self._check_last_page()
        for file in self._files:
            total = 0
            for block in self._decoded(file, max(1, int(block_s * self.sample_rate))):
                total += len(block)
                yield block
            self._check_length(file, total)

    def decode_stretch(self, start_s: float, end_s: float | None) -> Samples:
        # A damaged header may promise more than there is memory for: then it is read in blocks.
        unsure = self.num_samples is None or self.num_samples * self.channels > MOST_AT_ONCE
        if unsure or len(self._files) > 1:
            return super().decode_stretch(start_s, end_s)
        assert self.num_samples is not None
        if start_s == 0 and end_s is None:
            return self._decode_whole(self.num_samples)
        file = self._files[0]
        file.in_order = False
        if not file.seekable():
            file.in_order = True
            return super().decode_stretch(start_s, end_s)
        stop = self.num_samples if end_s is None else round(end_s * self.sample_rate)
        start = min(round(start_s * self.sample_rate), self.num_samples)
        try:
            file.seek(start)
            return _read(file, max(0, min(stop, self.num_samples) - start))
        except ERRORS as error:
            raise _unreadable(self.name, error) from error

    def _decode_whole(self, count: int) -> Samples:
        self._check_last_page()
        try:
            samples = _read(self._files[0], count)
        except ERRORS as error:
            raise _unreadable(self.name, error) from error
        self._check_length(self._files[0], len(samples))
        return samples

    def _decoded(self, file: Any, size: int) -> Iterator[Samples]:
        while True:
            try:
                block = _read(file, size)
            except ERRORS as error:
                raise _unreadable(self.name, error) from error
            if not len(block):
                return
            yield block

    def _check_alike(self) -> None:
        shapes = {(file.samplerate, file.channels) for file in self._files}
        if len(shapes) > 1:
            self._opened.close()
            kinds = " and ".join(f"{rate} Hz, {channels} channels" for rate, channels in shapes)
            raise AudioError(
                f"{self.name} holds {len(self._files)} recordings one after another, which differ: "
                f"{kinds}.",
                "Cut it into one file a recording.",
            )

    def _check_last_page(self) -> None:
        if self._ends_within_page:
            raise _page_error(self.name)

    def _check_length(self, file: Any, count: int) -> None:
        expected = _declared_length(file)
        share = MP3_SHARE if file.format == "MP3" else 1
        if expected is not None and count < expected * share:
            raise AudioError(
                f"{self.name} is cut off: its header says {expected} samples, {count} are there.",
                "Copy the file again.",
            )


def _read(file: Any, size: int) -> Samples:
    samples: Samples = file.read(size, dtype="float32", always_2d=True)
    return samples


def _declared_length(file: Any) -> int | None:
    """Return the samples that the header promises, None where it does not say.

    libsndfile itself shortens the length of a cut-off WAV to what is there, and tells so in its log
    alone.
    """
    count, cut = int(file.frames), CUT_OFF.search(file.extra_info)
    if count >= UNKNOWN_LENGTH:
        return None
    if cut is None:
        return count
    declared, present = int(cut[1]), int(cut[2])
    if declared - present <= SLACK_BYTES or declared >= PLACEHOLDER_SIZE:
        return count
    return round(count * declared / max(present, 1))


class _File(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read in order.

    soundfile seeks after each block that it has read. In a sound of unknown length, libsndfile
    cannot; in MP3, what the next frame needs of the last one is lost.

    Attributes:
        in_order: no seeking.
    """

    in_order = True

    def seekable(self) -> bool:
        return not self.in_order and bool(super().seekable())


def _open_files(source: Any, opened: contextlib.ExitStack) -> tuple[list[Any], list[str]]:
    """Return the sound files that a file consists of, and what is to be said about them."""
    with opened_binary(source) as file:
        spans = spans_of(file)
    if not spans:
        # The bytes of a path, since soundfile would encode it, and a name need not be text.
        whole = os.fsencode(source) if isinstance(source, str) else source
        return [opened.enter_context(_File(whole))], []
    file = opened.enter_context(opened_binary(source))
    files = [opened.enter_context(_File(span.open(file))) for span in spans]
    return files, [span.note for span in spans if span.note]


def _unreadable(name: str, error: Exception) -> AudioError:
    # libsndfile's own words, without its name of the source
    reason = str(getattr(error, "error_string", "") or error)
    return AudioError(
        f"{name} cannot be read as audio ({reason.rstrip('.')}).",
        "It is damaged or of another kind. Known: WAV, FLAC, OGG, OPUS, MP3, AIFF; m4a, mp4 and "
        "webm with pip install 'asr[media]'.",
    )


def _page_error(name: str) -> AudioError:
    return AudioError(
        f"{name} is cut off: its last page is not wholly there.", "Copy the file again."
    )


def _ends_within_page(source: Any) -> bool:
    """Return whether a file is Ogg that ends within a page, of which libsndfile would read what is
    there (RFC 3533, section 6).
    """
    with opened_binary(source) as file:
        place = file.tell()
        cut = file.read(len(OGG)) == OGG and _is_cut(_last_page(file, place))
        file.seek(place)
    return cut


def _last_page(file: Any, start: int) -> bytes:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(start, size - 2 * OGG_PAGE_BYTES))
    tail: bytes = file.read()
    return tail[max(tail.rfind(OGG), 0) :]


def _is_cut(page: bytes) -> bool:
    # Byte 26 of a page is the number of its segments; their sizes follow, a byte each.
    segments = page[OGG_HEADER_BYTES - 1] if len(page) >= OGG_HEADER_BYTES else 0
    header = OGG_HEADER_BYTES + segments
    return page.startswith(OGG) and len(page) < header + sum(page[OGG_HEADER_BYTES:header])
