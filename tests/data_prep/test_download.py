"""Downloads from a real HTTP server that breaks off, knows no ranges, fails for a while, or sends
the wrong bytes.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli import main
from asr.errors import DataError
from data_prep import librispeech
from data_prep.download import fetch, md5_of, unpack
from data_prep.librispeech import ARCHIVES, LM_TEXT, download_librispeech, read_librispeech
from data_prep.prepare import prepare

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Web:
    """A server's files and bad habits, and the ``Range`` of every request that it got."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes sent, for each of the next answers
    failures: int = 0  # answers of 503 to begin with
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Web]:
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            self.close_connection = True
            body = state.files.get(self.path)
            if state.failures:
                state.failures -= 1
                return self.answer(503, b"", {})
            if body is None:
                return self.answer(404, b"", {})
            first = (
                int(wanted.removeprefix("bytes=").removesuffix("-"))
                if wanted and state.ranges
                else 0
            )
            if first and first >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers = (
                {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {}
            )
            return self.answer(206 if first else 200, body[first:], headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Length": str(len(body)),
                "Connection": "close",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            sent = state.break_after.pop(0) if state.break_after and status < 300 else len(body)
            self.wfile.write(body[:sent])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    state.files["/a.bin"] = CONTENT
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_loaded_once(web: Web, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch(f"{web.url}/a.bin", tmp_path / "deep" / "a.bin", MD5)
        assert path.read_bytes() == CONTENT
    assert web.asked == [None]
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    assert md5_of(path) == MD5


def test_a_broken_connection_goes_on_where_it_was(
    web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web.break_after = [100_000, 50_000]
    assert fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5, pause_s=0).read_bytes() == CONTENT
    assert web.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert (
        "closed 200000 bytes before the end after 100000 bytes; trying again"
        in capsys.readouterr().err
    )


def test_a_server_in_trouble_is_asked_again(web: Web, tmp_path: Path) -> None:
    web.failures = 2
    assert (
        fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5, attempts=3, pause_s=0).read_bytes()
        == CONTENT
    )


def test_an_interrupted_download_keeps_what_arrived_and_goes_on_later(
    web: Web, tmp_path: Path
) -> None:
    web.break_after = [90_000, 10_000]
    with pytest.raises(
        DataError, match=r"stopped after 100000 bytes.*2 attempts.*kept in .*a\.bin\.part"
    ):
        fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5, attempts=2, pause_s=0)
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:100_000]
    assert fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5).read_bytes() == CONTENT
    assert web.asked[-1] == "bytes=100000-"
    assert not (tmp_path / "a.bin.part").exists()


def test_a_server_without_ranges_sends_it_all_again(web: Web, tmp_path: Path) -> None:
    web.ranges, web.break_after = False, [100_000]
    assert fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5, pause_s=0).read_bytes() == CONTENT


def test_all_had_arrived_before_the_stop(web: Web, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5).read_bytes() == CONTENT
    assert web.asked == [f"bytes={len(CONTENT)}-"]


def test_wrong_bytes_are_named_and_kept(web: Web, tmp_path: Path) -> None:
    web.files["/a.bin"] = b"x" + CONTENT[1:]
    with pytest.raises(
        DataError, match=rf"a\.bin\.part is damaged: its MD5 is .*published MD5 of a\.bin is {MD5}"
    ):
        fetch(f"{web.url}/a.bin", tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin.part").exists()
    assert not (tmp_path / "a.bin").exists()
    (tmp_path / "b.bin").write_bytes(b"by hand")
    with pytest.raises(DataError, match=r"b\.bin is damaged"):
        fetch(f"{web.url}/a.bin", tmp_path / "b.bin", MD5)


def test_what_is_not_there_is_said_at_once(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="404"):
        fetch(f"{web.url}/b.bin", tmp_path / "b.bin", pause_s=60)
    with pytest.raises(DataError, match="2 attempts"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", attempts=2, pause_s=0)


def tar(entries: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_damaged_archive_leaves_no_folder(tmp_path: Path) -> None:
    whole = tar({f"L/p/{i}": CONTENT for i in range(3)})
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", "L/p", tmp_path / "p")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]
    (tmp_path / "a.tar.gz").write_bytes(whole)
    with pytest.raises(DataError, match="has no L/q"):
        unpack(tmp_path / "a.tar.gz", "L/q", tmp_path / "q")
    assert sorted(
        p.name for p in unpack(tmp_path / "a.tar.gz", "L/p", tmp_path / "p").iterdir()
    ) == ["0", "1", "2"]


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tar({"L/p/../../../evil": b"x"}))
    with pytest.raises(DataError, match="points outside"):
        unpack(tmp_path / "a.tar.gz", "L/p", tmp_path / "deep" / "p")


def corpus_archive(part: str) -> bytes:
    sound = io.BytesIO()
    soundfile.write(sound, 0.1 * np.sin(np.arange(8000) * 0.2), 16000, format="FLAC")
    chapter = f"LibriSpeech/{part}/7/3/7-3"
    files = {
        f"{chapter}-0000.flac": sound.getvalue(),
        f"{chapter}.trans.txt": b"7-3-0000 HELLO WORLD\n",
    }
    return tar({"LibriSpeech/README.TXT": b"about", **files})


@pytest.fixture
def openslr(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    sums = {}
    for part in ("dev-clean", "test-clean"):
        web.files[f"/12/{part}.tar.gz"] = corpus_archive(part)
        sums[part] = (12, hashlib.md5(web.files[f"/12/{part}.tar.gz"]).hexdigest())
    web.files[f"/11/{LM_TEXT}"] = CONTENT
    monkeypatch.setattr(librispeech, "ARCHIVES", {**sums, LM_TEXT: (11, MD5)})
    return web


def test_parts_are_loaded_unpacked_and_left_alone(openslr: Web, tmp_path: Path) -> None:
    openslr.break_after = [500]
    for _ in range(2):
        home = download_librispeech(tmp_path, ["dev-clean", LM_TEXT], openslr.url)
    assert home == tmp_path
    assert len(openslr.asked) == 3  # the archive in two pieces, the text
    (utterance,) = read_librispeech(tmp_path)["dev-clean"]
    assert (utterance.text, utterance.speaker) == ("HELLO WORLD", "7")
    assert (tmp_path / LM_TEXT).read_bytes() == CONTENT
    (tmp_path / "other" / "LibriSpeech").mkdir(parents=True)
    assert (
        download_librispeech(tmp_path / "other", ["test-clean"], openslr.url).name == "LibriSpeech"
    )
    assert read_librispeech(tmp_path / "other").keys() == {"test-clean"}
    with pytest.raises(DataError, match="has no dev-clear"):
        download_librispeech(tmp_path, ["dev-clear"], openslr.url)


def test_the_command_loads_and_prepares(
    openslr: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = str(tmp_path / "corpus"), tmp_path / "out"
    arguments = [
        "prepare",
        "librispeech",
        source,
        "-o",
        str(out),
        "--jobs",
        "1",
        "--mirror",
        openslr.url,
    ]
    for changes, status, said in (
        (["--download", f"dev-clean,{LM_TEXT}"], 0, ""),
        ([], 2, "--download"),
        (["--download", "train-huge"], 1, "LibriSpeech has no train-huge"),
    ):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *changes])
        assert (int(stop.value.code or 0), said in capsys.readouterr().err) == (status, True)
    assert (out / "dev-clean" / "text.txt").read_text() == "HELLO WORLD\n"


def test_published_sums_are_those_of_all_parts() -> None:
    assert {number for number, _ in ARCHIVES.values()} == {11, 12, 31}
    assert all(len(md5) == 32 for _, md5 in ARCHIVES.values())


def test_lines_without_audio_and_audio_without_lines_stop_a_preparation(
    openslr: Web, tmp_path: Path
) -> None:
    download_librispeech(tmp_path, ["dev-clean"], openslr.url)
    chapter = tmp_path / "dev-clean" / "7" / "3"
    (chapter / "7-3-0002.flac").write_bytes((chapter / "7-3-0000.flac").read_bytes())
    with (chapter / "7-3.trans.txt").open("a") as file:
        file.write("7-3-0001 NOBODY SAYS THIS\n")
    splits = read_librispeech(tmp_path)
    with pytest.raises(
        DataError, match=r"(?s)7-3-0001: There is no audio file .*7-3-0002: .* has no transcript"
    ):
        prepare(splits, tmp_path / "out", jobs=1)
    (done,) = prepare(splits, tmp_path / "out", jobs=1, max_skipped=2)
    assert (done.utterances, [s.id for s in done.skipped]) == (1, ["7-3-0001", "7-3-0002"])
    with pytest.raises(DataError, match=r"no part test-clean; it has dev-clean"):
        read_librispeech(tmp_path, ["test-clean"])
