"""Speech synthesis with eSpeak NG, for tests, the demo and pronunciations.

The package ``espeakng_loader`` has the library and its voices. The library has global state and is
not thread safe: a lock serialises the calls, so use processes to synthesise in parallel.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError, DataError, require

__all__ = [
    "Speech",
    "SpokenWord",
    "Voice",
    "list_variants",
    "list_voices",
    "phones_of",
    "restart",
    "speak",
]

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
UTF8 = 1
# Mode of espeak_TextToPhonemes: IPA is a flag, the separator of phones is in the bits from 8 on.
IPA, SEPARATOR = 2, 8
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
EVENT_END, EVENT_WORD = 0, 1
SPEEDS = (80, 450)


@dataclass(frozen=True)
class SpokenWord:
    """Start time of a word.

    Attributes:
        index: number of the word in the text, split at spaces.
        position: index of its first character in the text.
        start_s: start in seconds.
    """

    index: int
    position: int
    start_s: float


@dataclass(frozen=True)
class Speech:
    """Synthesised speech.

    Attributes:
        samples: (n,) float32 in [-1, 1].
        sample_rate: in Hz.
        words: sorted by time. eSpeak joins some pairs ("of the"): the second word is missing then.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    words: tuple[SpokenWord, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Voice:
    """A voice of the library; :func:`speak` takes its ``language`` (``en-us``, ``cmn``)."""

    language: str
    name: str
    file: str


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):  # espeak_EVENT of speak_lib.h
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):  # espeak_VOICE of speak_lib.h
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_char)),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """The loaded library, and the samples and events of the current request."""

    def __init__(self) -> None:
        loader = require("espeakng_loader", "train")
        self.lock = threading.Lock()
        self.data = Path(loader.get_data_path())
        self.handle = _load(loader.get_library_path())
        self.sample_rate = int(
            self.handle.espeak_Initialize(SYNCHRONOUS, 0, str(self.data).encode(), DONT_EXIT)
        )
        if self.sample_rate <= 0:
            raise AsrError(
                f"eSpeak NG found no voices in {self.data}.", "Install espeakng-loader again."
            )
        self.voices = tuple(self._list())
        self.files = {voice.language: voice.file for voice in reversed(self.voices)}
        self.variants = tuple(sorted(path.name for path in (self.data / "voices" / "!v").iterdir()))
        self.blocks: list[npt.NDArray[np.int16]] = []
        self.events: list[tuple[int, int]] = []
        # Keep a reference: ctypes would free the callback while the library still calls it.
        self.callback = _Callback(self._collect)
        self.handle.espeak_SetSynthCallback(self.callback)

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self.blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events and events[index].type != EVENT_END:
            if events[index].type == EVENT_WORD:
                self.events.append((events[index].text_position - 1, events[index].sample))
            index += 1
        return 0

    def choose(self, voice: str, variant: str | None) -> None:
        if voice not in self.files:
            raise DataError(
                f"eSpeak NG has no voice {voice!r}.", f"Known: {', '.join(sorted(self.files))}."
            )
        if variant is not None and variant not in self.variants:
            raise DataError(
                f"eSpeak NG has no variant {variant!r}.", f"Known: {', '.join(self.variants)}."
            )
        # By file: eSpeak does not find the name en-gb together with a variant.
        name = self.files[voice] + (f"+{variant}" if variant else "")
        if self.handle.espeak_SetVoiceByName(name.encode()) != 0:
            raise AsrError(
                f"eSpeak NG cannot load the voice {name!r}.", "Install espeakng-loader again."
            )

    def _list(self) -> list[Voice]:
        """Return the voices, each with the first of its languages."""
        voices, index = [], 0
        pointers = self.handle.espeak_ListVoices(None)
        while pointers[index]:
            entry = pointers[index].contents
            # The first byte is a priority.
            tag = ctypes.string_at(ctypes.addressof(entry.languages.contents) + 1)
            voices.append(Voice(tag.decode(), entry.name.decode(), entry.identifier.decode()))
            index += 1
        return sorted(voices, key=lambda v: (v.language, v.name))

    def set(self, parameter: int, value: int) -> None:
        self.handle.espeak_SetParameter(parameter, value, 0)

    def synthesize(self, text: str) -> tuple[npt.NDArray[np.int16], list[tuple[int, int]]]:
        self.blocks, self.events = [], []
        self.handle.espeak_ng_SetRandSeed(1)
        data = text.encode() + b"\0"
        status = self.handle.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)
        if status != 0:
            raise AsrError(
                f"eSpeak NG could not speak {text[:40]!r} (status {status}).", "Give plain text."
            )
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.int16), self.events

    def phonemes(self, text: str) -> str:
        """Return phones in IPA, joined by underscores; the library returns one clause per call."""
        rest, clauses = ctypes.c_char_p(text.encode()), list[str]()
        while rest.value:
            clause = self.handle.espeak_TextToPhonemes(
                ctypes.byref(rest), UTF8, IPA | ord("_") << SEPARATOR
            )
            clauses.append((clause or b"").decode())
        return "_".join(clauses)


def _load(path: str) -> Any:
    try:
        handle = ctypes.CDLL(path)
    except OSError as error:
        raise AsrError(
            f"eSpeak NG cannot be loaded from {path} ({error}).", "Install espeakng-loader again."
        ) from error
    handle.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    handle.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
    handle.espeak_TextToPhonemes.argtypes = (
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int,
        ctypes.c_int,
    )
    handle.espeak_TextToPhonemes.restype = ctypes.c_char_p
    handle.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    return handle


@functools.cache
def _library() -> _Library:
    return _Library()


def restart() -> None:
    """Reload the library, so that later speech does not depend on earlier requests (5 ms).

    A voice's slow pitch variation continues from one request to the next; only loading the library
    resets its counter.
    """
    if not _library.cache_info().currsize:
        return
    handle = _library().handle
    with _library().lock:
        handle.espeak_Terminate()
        _unload(handle._handle)
        _library.cache_clear()


def _unload(handle: int) -> None:
    import _ctypes

    close = getattr(_ctypes, "dlclose", None) or _ctypes.FreeLibrary  # type: ignore[attr-defined]
    close(handle)


def speak(
    text: str,
    voice: str = "en-us",
    variant: str | None = None,
    speed_wpm: int = 165,
    pitch: int = 50,
    pitch_range: int = 50,
) -> Speech:
    """Return ``text`` as speech.

    Args:
        text: one line of plain text.
        voice: language or accent, see :func:`list_voices`.
        variant: speaker, see :func:`list_variants`; None is the voice's own speaker.
        speed_wpm: words per minute, 80 to 450.
        pitch: 0 to 100; 50 is the speaker's own.
        pitch_range: 0 to 100; 50 is the speaker's own.

    Raises:
        MissingDependencyError: espeakng_loader is not installed.
        DataError: the text is empty or its speech silent, there is no such voice or variant, or a
            number is out of range.
        AsrError: the library cannot be loaded, or failed.

    Example:
        >>> speak("good morning").sample_rate
        22050
    """
    _check(text, speed_wpm, pitch, pitch_range)
    library = _library()
    with library.lock:
        library.choose(voice, variant)
        for parameter, value in (
            (RATE, speed_wpm),
            (PITCH, pitch),
            (RANGE, pitch_range),
            (VOLUME, 70),
        ):
            library.set(parameter, value)
        wave, events = library.synthesize(text)
    if not wave.any():
        raise DataError(
            f"The voice {voice} speaks nothing audible for {text[:40]!r}.",
            "Give words of that language.",
        )
    samples = wave.astype(np.float32) / np.float32(32768)
    return Speech(samples, library.sample_rate, _words(text, events, library.sample_rate))


def phones_of(word: str, voice: str = "en-us") -> tuple[str, ...]:
    """Return the phones of a word in IPA without stress and tone; empty if eSpeak has none.

    Raises:
        MissingDependencyError: espeakng_loader is not installed.
        DataError: no such voice.

    Example:
        >>> phones_of("speech")
        ('s', 'p', 'iː', 'tʃ')
    """
    library = _library()
    with library.lock:
        library.choose(voice, None)
        phones = library.phonemes(word)
    return tuple(
        filter(None, (re.sub(r"[ˈˌ\d]", "", phone) for phone in re.split(r"[_\s]+", phones)))
    )


def _check(text: str, speed_wpm: int, pitch: int, pitch_range: int) -> None:
    if not text.strip() or "\0" in text:
        raise DataError(f"The text to speak is {text!r}.", "Give at least one word.")
    if not SPEEDS[0] <= speed_wpm <= SPEEDS[1]:
        raise DataError(
            f"speed_wpm is {speed_wpm}.", f"Give {SPEEDS[0]} to {SPEEDS[1]} words a minute."
        )
    for name, value in (("pitch", pitch), ("pitch_range", pitch_range)):
        if not 0 <= value <= 100:
            raise DataError(f"{name} is {value}.", "Give 0 to 100.")


def _words(text: str, events: list[tuple[int, int]], rate: int) -> tuple[SpokenWord, ...]:
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    words = (
        SpokenWord(int(np.searchsorted(starts, position, "right")) - 1, position, sample / rate)
        for position, sample in events
    )
    return tuple(word for word in words if word.index >= 0)


def list_variants() -> tuple[str, ...]:
    """Return the names of the speakers; each can be combined with any voice."""
    return _library().variants


def list_voices(language: str = "") -> tuple[Voice, ...]:
    """Return the voices whose language begins with ``language``, sorted by language."""
    return tuple(voice for voice in _library().voices if voice.language.startswith(language))
