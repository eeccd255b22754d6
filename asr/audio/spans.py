"""A sound file as libsndfile has to see it: cut into the recordings that it holds, its lengths set.

libsndfile reads the first recording of a file alone, and believes the lengths in its header. But
files are joined with ``cat`` or by a recorder that was stopped and started (RFC 3533, section 4,
calls it chaining), and a program that writes to a pipe, or that crashed, cannot go back to write
the length. Nothing is decoded here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Span", "opened_binary", "spans_of"]

BLOCK = 1 << 20
HEADER_BYTES = 12  # RIFF, its size, WAVE
CHUNK_BYTES = 8  # name and size of a chunk
PIPED = 0x7FFFF000  # from here on a length stands for "not known": SoX, FFmpeg, GStreamer, ...
BILLION = 1_000_000_000  # and so does a round number of this size
MP3_TAGS = (b"Xing", b"Info")  # of an encoder, with the length of what follows
MP3_TAG_DISTANCES = (36, 21, 13)  # bytes from a frame to its tag: MPEG 1 and 2, stereo and mono
FLAC_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # with their first block's size
OGG_STARTS = (b"OggS\x00\x02", b"OggS\x00\x06")  # the first page of a stream
OGG_SEGMENTS = 26  # byte of a page with the number of its segments
ID3, ID3_BYTES = b"ID3", 10


@dataclass(frozen=True)
class Span:
    """A recording within a file.

    Attributes:
        start: its first byte.
        stop: the byte after its last one.
        patches: place within the span -> bytes that are read there instead.
        note: what of the file was not as it should be; empty: nothing.
    """

    start: int
    stop: int
    patches: dict[int, bytes] = field(default_factory=dict)
    note: str = ""

    def open(self, file: Any) -> io.RawIOBase:
        """Return the span as a file of its own, which reads from ``file``."""
        return _View(file, self)


class _View(io.RawIOBase):
    def __init__(self, file: Any, span: Span) -> None:
        self.file, self.span, self.place = file, span, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place}.get(whence, self.size)
        self.place = max(0, base + offset)
        return self.place

    @property
    def size(self) -> int:
        return self.span.stop - self.span.start

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.span.start + self.place)
        data = bytearray(self.file.read(max(0, min(len(buffer), self.size - self.place))))
        for at, patch in self.span.patches.items():
            first = max(at, self.place)
            last = min(at + len(patch), self.place + len(data))
            if first < last:
                data[first - self.place : last - self.place] = patch[first - at : last - at]
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)


def opened_binary(source: Any) -> contextlib.AbstractContextManager[Any]:
    """Return a context with the open file of a path; of an open file, which stays open, itself."""
    return Path(source).open("rb") if isinstance(source, str) else contextlib.nullcontext(source)


def spans_of(file: Any) -> list[Span]:
    """Return the recordings in a file from its present place on; none where libsndfile sees all of
    it by itself.

    Args:
        file: open for reading; it is left where it was.
    """
    place = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(place)
    header = file.read(HEADER_BYTES)
    if header[:4] in (b"RIFF", b"FORM"):
        spans = _chunked(file, place, end)
    else:
        starts = [place, *_later_starts(file, place, header)]
        spans = [Span(*ends) for ends in zip(starts, [*starts[1:], end], strict=True)]
    file.seek(place)
    return spans if len(spans) > 1 or any(span.patches for span in spans) else []


def _later_starts(file: Any, place: int, header: bytes) -> Iterator[int]:
    if header[:4] == b"OggS":
        yield from _ogg_starts(file, place)
    elif header[:4] == b"fLaC":
        yield from (start for start in _found(file, FLAC_STARTS, place) if start > place)
    elif header[:3] == ID3 or header[:1] == b"\xff":
        yield from _mp3_starts(file, place)


def _found(file: Any, needles: Sequence[bytes], place: int) -> Iterator[int]:
    """Yield where one of some bytes begin in a file, from ``place`` on, in order."""
    overlap = max(map(len, needles)) - 1
    offset, before = place, b""  # of what is searched at once
    file.seek(place)
    while block := file.read(BLOCK):
        data = before + block
        yield from sorted(offset + at for needle in needles for at in _places(data, needle))
        before = data[-overlap:]
        offset += len(data) - len(before)
        file.seek(offset + len(before))  # whoever looked at what was found has moved


def _places(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


def _ogg_starts(file: Any, place: int) -> Iterator[int]:
    """Yield where further links of a chained Ogg file begin: first pages that do not follow another
    stream's first page.
    """
    follows = place  # the byte after the last first page
    for start in _found(file, OGG_STARTS, place):
        if start > follows:
            yield start
        file.seek(start)
        page = file.read(OGG_SEGMENTS + 1 + 255)
        segments = page[OGG_SEGMENTS] if len(page) > OGG_SEGMENTS else 0
        sizes = page[OGG_SEGMENTS + 1 : OGG_SEGMENTS + 1 + segments]
        follows = start + OGG_SEGMENTS + 1 + segments + sum(sizes)


def _mp3_starts(file: Any, place: int) -> Iterator[int]:
    """Yield where further MP3 files begin: at a frame with an encoder's tag of the length, or the
    ID3 tag before it. The tag of the first is passed over.
    """
    frames = (_mp3_frame(file, place, tag) for tag in _found(file, MP3_TAGS, place))
    tagged = [frame for frame in frames if frame is not None]
    for frame in tagged[1:]:
        yield _before_id3(file, place, frame)


def _mp3_frame(file: Any, place: int, tag: int) -> int | None:
    """Return where the frame of an encoder's tag begins; None where it is none."""
    for distance in MP3_TAG_DISTANCES:
        if tag - distance >= place:
            file.seek(tag - distance)
            first, second = file.read(2)
            if first == 0xFF and second >= 0xE2:
                return tag - distance
    return None


def _before_id3(file: Any, place: int, frame: int) -> int:
    first = max(place + 1, frame - BLOCK)
    file.seek(first)
    data = file.read(frame - first)
    at = data.rfind(ID3)
    if at < 0 or len(data) - at < ID3_BYTES:
        return frame
    size = sum((byte & 0x7F) << shift for byte, shift in zip(data[at + 6 :], (21, 14, 7, 0)))  # noqa: B905
    return first + at if first + at + ID3_BYTES + size <= frame else frame


def _chunked(file: Any, place: int, end: int) -> list[Span]:
    """Return the WAV or AIFF files that follow one another, with lengths that are not known set to
    what is there.
    """
    spans: list[Span] = []
    while True:
        file.seek(place)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[:4] not in (b"RIFF", b"FORM"):
            break
        little = header[:4] == b"RIFF"
        size = int.from_bytes(header[4:8], "little" if little else "big")
        patches = _patches(file, place, end) if little else {}
        stop = place + CHUNK_BYTES + size + size % 2
        if patches or stop >= end - CHUNK_BYTES or not size:
            stop = end
        note = "its header does not give its length; all that follows was read" if patches else ""
        spans.append(Span(place, stop, patches, note))
        place = stop
    if spans and spans[-1].stop != end:  # what follows the last one is no recording
        spans[-1] = Span(spans[-1].start, end, spans[-1].patches, spans[-1].note)
    return spans


def _patches(file: Any, place: int, end: int) -> dict[int, bytes]:
    """Return the sizes to read instead of those in the header of a WAV file at ``place``."""
    at = place + HEADER_BYTES
    while at + CHUNK_BYTES <= end:
        file.seek(at)
        chunk = file.read(CHUNK_BYTES)
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            break
        at += CHUNK_BYTES + size + size % 2
    else:
        return {}
    start = at + CHUNK_BYTES
    present = end - start
    if size == 0:
        unknown = present > 0 and not _are_chunks(file, start, end)
    else:
        unknown = size > present and (size >= PIPED or size % BILLION == 0)
    if not unknown:
        return {}
    return {
        4: min(end - place - CHUNK_BYTES, 0xFFFFFFFF).to_bytes(4, "little"),
        at + 4 - place: min(present, 0xFFFFFFFF).to_bytes(4, "little"),
    }


def _are_chunks(file: Any, place: int, end: int) -> bool:
    """Return whether a file goes on with chunks up to its end."""
    while place + CHUNK_BYTES <= end:
        file.seek(place)
        name = file.read(CHUNK_BYTES)
        if not name[:4].isascii() or not name[:4].decode("ascii").isprintable():
            return False
        size = int.from_bytes(name[4:], "little")
        place += CHUNK_BYTES + size + size % 2
    return abs(place - end) <= 1
