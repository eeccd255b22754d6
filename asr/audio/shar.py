"""Lhotse Shar folders: recordings are read from inside tar shards, without unpacking them.

A cut is a stretch of a recording with its transcript. ``cuts.000000.jsonl.gz`` has one cut per
line. ``recording.000000.tar`` has two members per cut: the audio, named by the cut's id and a
suffix, and its Lhotse ``Recording`` as JSON; ``ID.nodata`` and ``ID.nometa`` stand for a cut
without audio.

A recording in a shard has the address ``SHARD.tar#OFFSET+SIZE/MEMBER``, which is accepted wherever
a path of a recording is.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shlex
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from asr.errors import AudioError, DataError
from asr.files import files_below

__all__ = [
    "Address",
    "SharCut",
    "file_of",
    "find_shar",
    "is_shar",
    "open_member",
    "parse_address",
    "read_shar",
    "recording_path",
]

ADDRESS = re.compile(r"(?P<file>.+\.tar)#(?P<offset>\d+)\+(?P<size>\d+)/(?P<member>.+)")
COMMAND = re.compile(
    r"tail -c \+(?P<first>\d+) (?P<file>.+) \| head -c (?P<size>\d+) # (?P<member>.+)"
)
CUTS = re.compile(r"cuts(?P<shard>(\.[^.]+)?)\.jsonl(\.gz)?")
SOUND = re.compile(r"recording(?P<shard>(\.[^.]+)?)\.tar(?P<packed>\..+)?")
AGAIN = "Copy or export this shard again."


@dataclass(frozen=True)
class Address:
    """Where a recording lies in a shard.

    Attributes:
        file: the shard.
        offset: of its first byte.
        size: in bytes.
        member: its name in the shard.
    """

    file: Path
    offset: int
    size: int
    member: str

    def __str__(self) -> str:
        return f"{self.file}#{self.offset}+{self.size}/{self.member}"

    @property
    def command(self) -> str:
        """The same as a shell command, the form that Lhotse accepts in a manifest."""
        file = shlex.quote(str(self.file))
        return f"tail -c +{self.offset + 1} {file} | head -c {self.size} # {self.member}"


@dataclass(frozen=True)
class SharCut:
    """A cut and where its recording lies.

    Attributes:
        cut: its JSON.
        audio: address of the recording; for a cut without audio, a path at which there is no file.
        member: name of the recording in its shard.
    """

    cut: dict[str, Any]
    audio: str
    member: str


class _Member(io.BytesIO):
    """The content of a member, named by its address."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def parse_address(path: object) -> Address | None:
    """Return the address that ``path`` is, or None where it is a plain path or no path at all."""
    match = ADDRESS.fullmatch(str(path)) if isinstance(path, (str, Path)) else None
    return (
        Address(Path(match["file"]), int(match["offset"]), int(match["size"]), match["member"])
        if match
        else None
    )


def recording_path(source: str) -> str:
    """Return the path or address that a Lhotse manifest names: that of a shell command, else
    ``source`` as it is.
    """
    if (match := COMMAND.fullmatch(source)) is None:
        return source
    (file,) = shlex.split(match["file"])
    return str(Address(Path(file), int(match["first"]) - 1, int(match["size"]), match["member"]))


def file_of(path: str | Path) -> Path:
    """Return the file that holds a recording: the shard of an address, else the path itself."""
    address = parse_address(path)
    return Path(path) if address is None else address.file


def open_member(path: object) -> io.BytesIO | None:
    """Return the recording at an address as an open file; None where ``path`` is no address.

    Raises:
        AudioError: the shard is missing or too short.
    """
    if (address := parse_address(path)) is None:
        return None
    try:
        with address.file.open("rb") as file:
            file.seek(address.offset)
            content = file.read(address.size)
    except OSError as error:
        raise AudioError(
            f"The shard of {path} cannot be read ({error.strerror}).", "Check the path."
        ) from error
    if len(content) < address.size:
        raise AudioError(f"{address.file} is cut off: {address.member} is not wholly in it.", AGAIN)
    return _Member(content, str(path))


def is_shar(folder: str | Path) -> bool:
    """Return whether a folder holds numbered shards of cuts, or shards of recordings."""
    names = [p.name for p in Path(folder).glob("*")] if Path(folder).is_dir() else []
    return any(SOUND.fullmatch(name) or _is_numbered_shard(name) for name in names)


def _is_numbered_shard(name: str) -> bool:
    match = CUTS.fullmatch(name)
    return match is not None and match["shard"][1:].isdecimal()


def find_shar(folder: str | Path) -> list[Path]:
    """Return the Shar folders at and below ``folder``, sorted; hidden ones are unfinished and left
    out.
    """
    folder = Path(folder)
    if is_shar(folder):
        return [folder]
    below = {p.parent.relative_to(folder) for p in files_below(folder) if SOUND.fullmatch(p.name)}
    return [
        folder / place
        for place in sorted(below)
        if not any(part.startswith(".") for part in place.parts)
    ]


def read_shar(folder: str | Path) -> Iterator[SharCut]:
    """Yield the cuts of a Shar folder, with the addresses of their recordings; no audio is read.

    Raises:
        DataError: the folder has no cuts or no recordings, a shard is missing, compressed, cut off
            or damaged, or cuts and recordings do not belong together.
    """
    for cuts, sound in _shards(Path(folder)):
        yield from _read_shard(cuts, sound)


def _shards(folder: Path) -> list[tuple[Path, Path]]:
    files = sorted(p for p in folder.glob("*") if p.is_file())
    cuts = {m["shard"]: p for p in files if (m := CUTS.fullmatch(p.name))}
    sounds = {m["shard"]: (p, m["packed"]) for p in files if (m := SOUND.fullmatch(p.name))}
    if not cuts:
        raise DataError(
            f"{folder} has shards of recordings, but no cuts.*.jsonl.gz.",
            "Copy the cuts beside them.",
        )
    if not sounds:
        raise DataError(
            f"{folder} has cuts, but no recording.*.tar: there is no audio in it.",
            "Export it with the field `recording`.",
        )
    if packed := [path for path, suffix in sounds.values() if suffix]:
        raise DataError(
            f"{packed[0]} is compressed, so that no recording can be found in it.",
            "Unpack it to .tar.",
        )
    if odd := sorted(cuts.keys() ^ sounds.keys()):
        there = cuts.get(odd[0]) or sounds[odd[0]][0]
        missing = f"recording{odd[0]}.tar" if odd[0] in cuts else f"cuts{odd[0]}.jsonl.gz"
        raise DataError(f"{folder} has {there.name}, but no {missing}.", AGAIN)
    return [(cuts[shard], sounds[shard][0]) for shard in sorted(cuts)]


def _read_shard(cuts: Path, sound: Path) -> Iterator[SharCut]:
    for number, (cut, member) in enumerate(zip_longest(_cuts(cuts), _members(sound)), 1):
        if cut is None or member is None:
            more, less = (sound, cuts) if cut is None else (cuts, sound)
            raise DataError(
                f"{more} has an item {number} that {less.name} lacks: one of them is cut off.",
                AGAIN,
            )
        audio, name, recording = member
        if name != cut["id"]:
            raise DataError(
                f"Item {number} of {cuts} is {cut['id']}, but of {sound.name} it is {name}.", AGAIN
            )
        if recording is not None:
            cut.setdefault("recording", recording)
        yield SharCut(cut, str(audio), _member_name(audio))


def _member_name(audio: Address | Path) -> str:
    return audio.member if isinstance(audio, Address) else audio.name


def _cuts(path: Path) -> Iterator[dict[str, Any]]:
    read = 0
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for line in file:
                cut = json.loads(line)
                if not isinstance(cut["id"], str):
                    raise TypeError("the id is not a string")
                yield cut
                read += 1
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read past line {read}: {error}.", AGAIN) from error


def _members(path: Path) -> Iterator[tuple[Address | Path, str, dict[str, Any] | None]]:
    """Yield the address, id and Lhotse recording of each cut's audio."""
    try:
        with tarfile.open(path, "r:") as tar:
            members = iter(tar)
            for data in members:
                meta = next(members, None)
                name = _check(data, meta, path)
                if data.name.endswith(".nodata") or meta is None:
                    yield path / name, name, None
                    continue
                content = tar.extractfile(meta)
                recording = json.loads(content.read()) if content else None
                yield Address(path, data.offset_data, data.size, data.name), name, recording
    except DataError:
        raise
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", f"It is cut off or damaged. {AGAIN}"
        ) from error


def _check(data: tarfile.TarInfo, meta: tarfile.TarInfo | None, path: Path) -> str:
    """Return the id of the cut that an audio member and its JSON belong to."""
    member = PurePosixPath(data.name)
    name = str(member.parent / member.stem)
    if member.is_absolute() or ".." in member.parts or not data.name.isprintable():
        raise DataError(
            f"{path} holds {data.name!r}, which leads out of its folder.", "Rename the cut."
        )
    expected = (f"{name}.json", f"{name}.nometa")
    if not (data.isfile() and meta and meta.isfile() and meta.name in expected):
        follows = meta.name if meta else "the end"
        raise DataError(f"{path}: after {data.name}, needed {name}.json, found {follows}.", AGAIN)
    return name
