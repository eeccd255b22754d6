"""Files and folders: written whole or not at all; walked through with the links in them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from asr.errors import AsrError, DataError, OutputError

__all__ = [
    "MANIFEST",
    "atomic_path",
    "atomic_write_text",
    "delete_unfinished",
    "files_below",
]

MANIFEST = "cuts.jsonl.gz"  # of a prepared split: Lhotse cuts, beside the features
SHOWN = 16  # characters of a name in that of its temporary file; names have at most 255 bytes
LONGEST_SUFFIX = 32  # characters; what is longer is no suffix
TEMPORARY = re.compile(r"(?P<before>\..*\.)\d+-[0-9a-f]{8}(?P<after>.*)", re.DOTALL)
NO_SPACE = 1 << 16  # bytes: with no more left, a disk is full


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to ``path`` if the block ends without an error.

    The parent folder is made if needed. After an error such as a full disk the temporary file is
    deleted and an older file at ``path`` is untouched. The temporary name keeps the suffix, since
    writers choose formats by it. A link is followed; a device or a pipe gets the file's bytes when
    the block has ended.

    Raises:
        OutputError: the file cannot be written: the disk is full, or the folder read-only.

    Example:
        >>> with atomic_path("model/weights.npy") as temporary:  # doctest: +SKIP
        ...     np.save(temporary, weights)
    """
    path = Path(path)
    temporary = Path(tempfile.gettempdir(), _temporary_name(path))
    try:
        target, is_stream = _target(path)
        if not is_stream:
            temporary = target.parent / temporary.name
        temporary.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on disk before the rename: a crash leaves no empty file
        if is_stream:
            with temporary.open("rb") as file, target.open("wb") as stream:
                shutil.copyfileobj(file, stream)
        else:
            temporary.replace(target)
    except Exception as error:
        if (problem := _output_error(error, path, temporary)) is None:
            raise
        raise problem from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically.

    A file name that is no UTF-8 holds bytes that no text can hold: they are written as ``\\udc80``
    to ``\\udcff``, which JSON reads as they were.

    Raises:
        OutputError: see :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def delete_unfinished(targets: Collection[Path]) -> None:
    """Delete the temporary files for these paths that killed processes have left."""
    names = {(path.parent, *_around_number(path)) for path in targets}
    for folder in {path.parent for path in targets}:
        for path in folder.glob(".*-????????*"):
            match = TEMPORARY.fullmatch(path.name)
            if match and (folder, match["before"], match["after"]) in names:
                path.unlink(missing_ok=True)


def files_below(folder: str | Path) -> list[Path]:
    """Return the files in a folder, at any depth, sorted; links to folders are followed, each
    folder once.

    Raises:
        DataError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename} cannot be listed ({error.strerror}).", "Check its permissions."
        ) from error

    files, seen = list[Path](), set[tuple[int, int]]()
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders.sort()
        status = os.stat(place)  # noqa: PTH116 - a string, once a folder
        if (status.st_dev, status.st_ino) in seen:  # a link led back
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        files += (Path(place, name) for name in names)
    return sorted(file for file in files if file.is_file())


def _target(path: Path) -> tuple[Path, bool]:
    """Return what is written in the end, and whether it is a device or a pipe."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return (path.resolve() if path.is_symlink() else path), False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        return path, True
    return (path.resolve() if path.is_symlink() else path), False


def _temporary_name(path: Path) -> str:
    before, after = _around_number(path)
    return f"{before}{os.getpid()}-{uuid.uuid4().hex[:8]}{after}"


def _around_number(path: Path) -> tuple[str, str]:
    """Return what comes before and after the numbers in the temporary name of a file."""
    suffix = path.suffix if len(path.suffix) <= LONGEST_SUFFIX else ""
    return f".{path.stem[:SHOWN]}.", suffix


def _output_error(error: Exception, path: Path, temporary: Path) -> OutputError | None:
    """Return what to raise where ``path`` cannot be written; None where the error is another."""
    if isinstance(error, OSError):
        about = Path(os.fsdecode(error.filename)) if error.filename else None
        if about not in (None, temporary, path, *temporary.parents):
            return None  # another file, which was read meanwhile
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = error.strerror or str(error)
    else:
        # Libraries that write files say in words of their own that there is no room.
        full, reason = _is_full(temporary.parent), "the disk is full"
        if isinstance(error, AsrError) or not full:
            return None
    remedy = "Free some space, or give another path." if full else "Give another path."
    return OutputError(f"{path} cannot be written: {reason}.", remedy)


def _is_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < NO_SPACE
    return False
