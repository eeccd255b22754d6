"""How much of the loss is recovered when words are given back to a model at run time.

python benchmarks/words/recovery.py SPEECH [--model en] [--words 200] [--count 0] [--kept FOLDER]

SPEECH is a folder in LibriSpeech's layout. The rarest words of its references are taken away from
dictionary, language model, and from what letters and sounds are learned of; then they are given
back as plain spellings. Scored are the utterances that have them, and the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from heard import Heard, hear

from asr.decoding.automaton import NgramAutomaton
from asr.decoding.language_models import load_lm
from asr.g2p.model import G2P_FILE, train_g2p
from asr.scoring import score_texts
from asr.speech.decoders import DecoderFactory, DecodingConfig
from asr.speech.recognizer import load_model
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import PhoneTokenizer


def rarest(
    heard: Sequence[Heard], tokenizer: PhoneTokenizer, lm: NgramAutomaton, count: int
) -> list[str]:
    """Return the words of the references that the language model finds least probable."""
    words = {word for one in heard for word in one.text.split()}
    known = [word for word in words if word in tokenizer.lexicon and word in lm]
    return sorted(known, key=lambda word: (lm.unigram(word), word))[:count]


def without(factory: DecoderFactory, gone: Sequence[str], folder: Path) -> DecoderFactory:
    """Return decoders that do not know words, and have not learned letters from them."""
    tokenizer, lm = factory.tokenizer, load_lm(factory.lm)
    assert isinstance(tokenizer, PhoneTokenizer)
    assert isinstance(lm, NgramAutomaton)
    left = {word: ways for word, ways in tokenizer.lexicon.items() if word not in set(gone)}
    lexicon = Pronunciations(left)
    lexicon.fingerprint = f"without {' '.join(gone)} {len(left)}"
    if not (folder / G2P_FILE).is_file():
        train_g2p(lexicon, folder / G2P_FILE, ranked=True)
    hidden = {word: f"#{n}" for n, word in enumerate(gone)}
    text = "\n".join(hidden.get(word, word) for word in lm.words).encode()
    return replace(
        factory,
        tokenizer=PhoneTokenizer(lexicon, tokenizer.phones),
        folder=folder,
        _ngrams={str(factory.lm): replace(lm, text=np.frombuffer(text, np.uint8))},
    )


def score(
    factory: DecoderFactory, decoding: DecodingConfig, heard: Sequence[Heard], words: Sequence[str]
) -> dict[str, float]:
    """Return word error rates of the utterances that have one of the words, and of the others."""
    decoder = factory.make(decoding)
    decoder(heard[0].log_probs)
    started = time.process_time()
    said = {one.name: decoder(one.log_probs)[0].text for one in heard}
    seconds = time.process_time() - started
    figures = {"decoding_s": seconds}
    for name, has in (("with", True), ("others", False)):
        chosen = {
            one.name: one.text for one in heard if bool(set(words) & set(one.text.split())) == has
        }
        result = score_texts(chosen, {name: said[name] for name in chosen})
        figures |= {f"{name} utterances": len(chosen), f"{name} wer": 100 * result.wer}
    return figures


def main() -> None:
    """Print the figures of the model, without the words, and with them given back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    heard = hear(model, args.speech, args.count, args.kept)
    full, decoding = model.decoders, model.decoding
    gone = rarest(heard, full.tokenizer, load_lm(full.lm), args.words)  # type: ignore[arg-type]
    poor = without(full, gone, args.kept)
    figures = {}
    for name, factory in (
        ("whole", full),
        ("without", poor),
        ("given back", poor.with_new_words(gone)),
    ):
        figures[name] = score(factory, decoding, heard, gone)
        print(name, json.dumps(figures[name]), flush=True)
    lost = figures["without"]["with wer"] - figures["whole"]["with wer"]
    back = figures["without"]["with wer"] - figures["given back"]["with wer"]
    print(f"recovered {100 * back / lost:.0f} % of a loss of {lost:.2f} points")


if __name__ == "__main__":
    main()
