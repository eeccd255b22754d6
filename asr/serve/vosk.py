"""The WebSocket protocol of vosk-server, at ``/``: its clients connect unchanged.

The client may send ``{"config": {"sample_rate", "words", "phrase_list", "max_alternatives"}}``,
then 16-bit mono samples as binary messages, and ``{"eof" : 1}`` at the end. Each binary message has
one answer, ``{"partial"}`` or a result ``{"text", "result"}``; the end has a result. Described in
https://alphacephei.com/vosk/server
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from asr.errors import AsrError
from asr.serve.errors import BadOption
from asr.serve.live import LiveStream, Streams
from asr.serve.models import HostedModel
from asr.serve.options import HOTWORD_WEIGHT, STREAM, WRITING, RequestOptions, read_options
from asr.serve.streams import close_socket, next_message, parsed
from asr.speech.streaming import StreamResult
from asr.speech.transcripts.transcript import Word
from asr.text.chinese import join_words

__all__ = ["vosk_route"]

DEFAULT_RATE = 8000  # Hz, as vosk-server
UNKNOWN = "[unk]"  # of a phrase list: what is not on it may be said too


def vosk_route(app: FastAPI, streams: Streams) -> None:
    """Add the route."""

    @app.websocket("/")
    async def vosk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            with await streams.place():
                await _Session(socket, streams).run()
        except AsrError as error:
            await close_socket(socket, error, {"error": str(error)})
        except WebSocketDisconnect:
            pass  # the client closed it


@dataclass(frozen=True)
class _Config:
    """What a client asked for.

    Attributes:
        sample_rate: in Hz.
        words: results have their words.
        phrase_list: what can be said; empty: anything.
        max_alternatives: readings of a result; 0: one, in the form without alternatives.
        model: name of a model.
        punctuation: texts have marks and capitals.
        numbers: texts have numbers in figures.
    """

    sample_rate: int = DEFAULT_RATE
    words: bool = True
    phrase_list: tuple[str, ...] = ()
    max_alternatives: int = 0
    model: str = ""
    punctuation: bool = False
    numbers: bool = False

    @property
    def known_words(self) -> set[str]:
        """The words of a phrase list beside which other words are written as unknown."""
        if UNKNOWN not in self.phrase_list:
            return set()
        return {word.lower() for phrase in self.phrase_list for word in phrase.split()}

    def writing(self, hosted: HostedModel) -> set[str]:
        """The ways of writing that were asked for and have an effect: alternatives, and texts with
        unknown words, are plain.
        """
        if self.max_alternatives or self.known_words:
            return set()
        possible = WRITING if hosted.variants.has_text_model else WRITING - {"punctuation"}
        return {name for name in possible if getattr(self, name)}

    def options(self, hosted: HostedModel) -> tuple[RequestOptions, list[str]]:
        """Return the same as options of a stream, and what of it has no effect."""
        phrases = [phrase for phrase in self.phrase_list if phrase != UNKNOWN]
        known = [phrase for phrase in phrases if hosted.recognizer.decoders.knows(phrase)]
        given: list[tuple[str, Any]] = [("sample_rate", self.sample_rate)]
        if known:
            given.append(("hotwords", dict.fromkeys(known, HOTWORD_WEIGHT)))
        if known and UNKNOWN not in self.phrase_list:
            given.append(("words", known))
        if self.max_alternatives > 1:
            given.append(("n_best", self.max_alternatives))
        writing = self.writing(hosted)
        given += [(name, name in writing) for name in WRITING]
        ignored = [f"phrase_list: {phrase}" for phrase in phrases if phrase not in known]
        ignored += [n for n in sorted(WRITING - writing) if getattr(self, n)]
        return read_options(given, STREAM), ignored


class _Session:
    """One connection.

    Args:
        socket: accepted.
        streams: of the service.
    """

    def __init__(self, socket: WebSocket, streams: Streams) -> None:
        self.socket, self.streams = socket, streams
        self.config = _Config()
        self.speech: LiveStream | None = None
        self.partial = ""  # of the open utterance
        self.ignored: list[str] = []  # what of the configuration has no effect, for the next answer

    async def run(self) -> None:
        """Answer messages until the client ends the stream, is silent, or breaks a rule."""
        while True:
            message = await next_message(self.socket, self.streams.config.stream_idle_s)
            if isinstance(message, bytes):
                speech = self.speech = self.speech or await self._open()
                await self._send(self._answer(await speech.push(message)))
                continue
            command = parsed(message)
            if isinstance(command.get("config"), dict):
                self._configure(command["config"])
            elif "eof" in command or "reset" in command:
                speech, self.speech = self.speech or await self._open(), None
                await self._send(self._result(await speech.finish()))
                if "eof" in command:
                    await self.socket.close()
                    return
            else:
                raise AsrError('A text message must be {"config": {...}} or {"eof" : 1}.')

    def _configure(self, given: dict[str, Any]) -> None:
        """Take what a client asks for; as in vosk-server, only before its audio."""
        known = {name: value for name, value in given.items() if name in READERS}
        self.ignored += sorted(set(given) - set(known))
        if self.speech is not None:
            self.ignored += sorted(known)
            return
        for name, value in known.items():
            try:
                self.config = replace(self.config, **{name: READERS[name](value)})
            except (TypeError, ValueError, OverflowError):
                raise BadOption(name, f"{name} cannot be {str(value)[:60]!r}.") from None

    async def _open(self) -> LiveStream:
        hosted = self.streams.choose(self.config.model)
        options, unknown = self.config.options(hosted)
        self.ignored += unknown
        return await self.streams.open(hosted, options)

    async def _send(self, content: dict[str, Any]) -> None:
        if self.ignored:
            content, self.ignored = {**content, "ignored": self.ignored}, []
        # laid out as vosk's own, for clients that look for '"partial" : ""'
        text = json.dumps(content, ensure_ascii=False, indent=2, separators=(",", " : "))
        await self.socket.send_text(text)

    def _answer(self, results: list[StreamResult]) -> dict[str, Any]:
        """Return the one answer to a binary message."""
        finals = [result for result in results if result.final]
        if finals:
            self.partial = ""
        if results and not results[-1].final:
            self.partial = self._masked(results[-1].text)
        return self._result(finals) if finals else {"partial": self.partial}

    def _result(self, finals: list[StreamResult]) -> dict[str, Any]:
        """Return the result of utterances that ended within one message, usually one."""
        if self.config.max_alternatives:
            return {"alternatives": self._alternatives(finals)}
        words = [word for result in finals for word in result.words]
        text = self._masked(join_words(result.readable for result in finals))
        if not words or not self.config.words:
            return {"text": text}
        return {"result": [{"conf": w.confidence, **self._word(w)} for w in words], "text": text}

    def _alternatives(self, finals: list[StreamResult]) -> list[dict[str, Any]]:
        if len(finals) == 1 and finals[0].alternatives:
            readings = [(r.confidence, r.words, r.text) for r in finals[0].alternatives]
        else:
            words = tuple(word for result in finals for word in result.words)
            confidence = sum(word.confidence for word in words) / max(1, len(words))
            readings = [(confidence, words, join_words(result.text for result in finals))]
        alternatives = []
        for confidence, words, text in readings:
            result = {"result": [self._word(word) for word in words]}
            shown = result if words and self.config.words else {}
            alternatives.append({"confidence": confidence, **shown, "text": self._masked(text)})
        return alternatives

    def _word(self, word: Word) -> dict[str, Any]:
        return {"end": word.end, "start": word.start, "word": self._masked(word.word)}

    def _masked(self, text: str) -> str:
        """Return a text with the unknown mark for words beside a phrase list that has it."""
        known = self.config.known_words
        if not known:
            return text
        return " ".join(w if w.lower() in known else UNKNOWN for w in text.split())


def _phrases(given: Any) -> tuple[str, ...]:
    phrases = json.loads(given) if isinstance(given, str) else given
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
        raise TypeError
    return tuple(phrases)


def _whole(given: Any) -> int:
    return int(float(given))


READERS: dict[str, Callable[[Any], Any]] = {
    "sample_rate": _whole,
    "words": bool,
    "phrase_list": _phrases,
    "max_alternatives": _whole,
    "model": str,
    "punctuation": bool,
    "numbers": bool,
}
"""Keys of a configuration, and what reads their values."""
