"""Downloads of large files: resumed, retried, checked against their MD5, and unpacked."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path, PurePosixPath

from asr.errors import DataError

__all__ = ["fetch", "md5_of", "unpack"]

BLOCK = 1 << 20
RESUMED = 206
WHOLE = 200
BEYOND_THE_END = 416


def fetch(
    url: str, path: str | Path, md5: str | None = None, attempts: int = 5, pause_s: float = 1.0
) -> Path:
    """Download ``url`` to ``path`` unless it exists, and return ``path``.

    An incomplete download is kept in ``path`` + ``.part``; the next attempt, or a later call, asks
    only for the rest.

    Args:
        url: http or https.
        path: file to write.
        md5: expected MD5 in hexadecimal digits.
        attempts: number of attempts in total.
        pause_s: seconds before the second attempt; the pause doubles after each.

    Raises:
        DataError: the server has no such file, the connection broke ``attempts`` times, or the MD5
            differs.
    """
    path = Path(path)
    if path.is_file():
        _check(path, path, md5)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(attempts):
        try:
            _load_rest(url, part)
            break
        except (OSError, http.client.HTTPException) as error:
            _refuse_for_good(url, error)
            if attempt + 1 == attempts:
                raise DataError(
                    f"The download of {url} stopped after {_size(part)}: {_reason(error)} "
                    f"({attempts} attempts).",
                    f"Run the same command to resume; the first part is kept in {part}.",
                ) from error
            print(
                f"{url}: {_reason(error)} after {_size(part)}; trying again",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(pause_s * 2**attempt)
    _check(part, path, md5)
    part.replace(path)
    return path


def _load_rest(url: str, part: Path) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == BEYOND_THE_END and have == _total(error.headers.get("Content-Range")):
                return  # the download is already complete
            raise
    with response:
        resumed = response.status == RESUMED  # a server without range requests sends the whole file
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length) + (have if resumed else 0)
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(
            f"the connection was closed {total - part.stat().st_size} bytes before the end"
        )


def _total(content_range: str | None) -> int | None:
    """Return 70 for ``bytes */70``."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _refuse_for_good(url: str, error: Exception) -> None:
    if (
        isinstance(error, urllib.error.HTTPError)
        and error.code < 500
        and error.code not in (408, 429)
    ):
        raise DataError(
            f"{url}: {error.code} {error.reason}.", "Check the address, or give another mirror."
        ) from error
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    # The disk is full: another attempt would fail too.
    if isinstance(reason, OSError) and reason.errno == 28:
        raise DataError(
            f"The download of {url} failed: {reason.strerror}.",
            "Free disk space, then run the same command.",
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__)


def _size(path: Path) -> str:
    return f"{path.stat().st_size if path.is_file() else 0} bytes"


def _check(file: Path, path: Path, md5: str | None) -> None:
    if md5 and (actual := md5_of(file)) != md5:
        raise DataError(
            f"{file} is damaged: its MD5 is {actual}; the published MD5 of {path.name} is {md5}.",
            "Delete it and download it again, perhaps from another mirror.",
        )


def md5_of(path: Path) -> str:
    """Return the MD5 of a file in hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def unpack(archive: str | Path, member: str, folder: str | Path) -> Path:
    """Unpack the folder ``member`` of a tar archive to ``folder``, and return ``folder``.

    ``folder`` appears only when it is complete.

    Raises:
        DataError: the archive is damaged, has no ``member``, or would write outside ``folder``.
    """
    archive, folder = Path(archive), Path(folder)
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            unpacked = [entry for entry in tar if _place(entry, member, temporary, tar)]
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and error.errno == 28:
            raise
        raise DataError(
            f"{archive} cannot be unpacked: {error}.", "Delete it and download it again."
        ) from error
    if not unpacked:
        raise DataError(f"{archive} has no {member}.", "Give the archive as published.")
    temporary.rename(folder)
    return folder


def _place(entry: tarfile.TarInfo, member: str, target: Path, tar: tarfile.TarFile) -> bool:
    """Extract an entry below ``member`` to ``target``; skip links and devices."""
    name = PurePosixPath(entry.name)
    if ".." in name.parts or name.is_absolute():
        raise tarfile.TarError(f"{entry.name!r} points outside the archive")
    if not name.is_relative_to(member) or not entry.isfile():
        return False
    path = target / name.relative_to(member)
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(entry)
    assert source is not None
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
    return True
