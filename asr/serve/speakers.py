"""Speakers of recordings in the service: one network for all requests, loaded by the first one."""

from __future__ import annotations

import functools
import threading

from asr.audio.reading import Source
from asr.serve.errors import BadOption
from asr.serve.options import RequestOptions
from asr.speech.transcripts.speakers import SpeakerLabeller, SpeakerOptions, with_speakers
from asr.speech.transcripts.transcript import Transcript

__all__ = ["check_speakers", "labelled"]

_lock = threading.Lock()


def check_speakers(options: RequestOptions) -> None:
    """Refuse what does not go together.

    Raises:
        BadOption: N-best readings of speakers, or RTTM without speakers.
    """
    if options.wants_speakers and options.n_best > 1:
        raise BadOption("n_best", "N-best readings are not split by speaker.", "Take 1.")
    if options.output_format == "rttm" and not options.wants_speakers:
        raise BadOption("output_format", "rttm holds who speaks when.", "Add speakers=true.")


@functools.cache
def _labeller() -> SpeakerLabeller:
    return SpeakerLabeller(SpeakerOptions())


def labelled(
    transcript: Transcript,
    source: Source,
    options: RequestOptions,
    sample_rate: int | None = None,
    start_s: float = 0.0,
) -> Transcript:
    """Return a transcript with its speakers, where the request asks for them.

    Args:
        transcript: of the recording.
        source: the recording.
        options: of the request.
        sample_rate: of ``source`` in Hz where it is an array of samples.
        start_s: time of the first sample of such an array by the clock of the file.

    Raises:
        ModelError: the speaker model cannot be loaded.
    """
    if not options.wants_speakers:
        return transcript
    with _lock:  # one at a time: clustering is short, and memory stays bounded
        labeller = _labeller().variant(options.num_speakers or 0)
        return with_speakers(transcript, labeller.diarize(source, sample_rate).later(start_s))
