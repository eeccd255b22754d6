"""Keyword search: recall at a number of false alarms an hour.

python benchmarks/words/keywords.py SPEECH [--model en] [--keywords 100] [--count 0] [--kept FOLDER]

SPEECH is a folder in LibriSpeech's layout. Keywords are the words of its references that are said
in two to five utterances and have six letters or more. An utterance that has the keyword and in
which it is spotted is a hit; one without it in which it is spotted is a false alarm, unless a
longer word has the keyword in it. The thresholds are the least ones with so many false alarms in
this very speech, as in term-weighted evaluations.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from heard import Heard, hear

from asr.speech.recognizer import Recognizer, load_model
from asr.speech.spotting import StreamSpotter, spell_phrases

RATES = (1.0, 0.3, 0.1)  # false alarms an hour and keyword


def keywords(heard: Sequence[Heard], count: int) -> list[str]:
    """Return words of six letters or more that are in two to five utterances."""
    times = Counter(word for one in heard for word in set(one.text.split()))
    chosen = sorted(w for w, n in times.items() if 2 <= n <= 5 and len(w) >= 6 and w.isalpha())
    step = max(1, len(chosen) // count)
    return chosen[::step][:count]


def best_scores(
    model: Recognizer, one: Heard, ways: dict[str, list[list[int]]]
) -> dict[str, float]:
    """Return the best score of each keyword in an utterance, where there is one."""
    spotter = StreamSpotter(model, ways, 0.0)
    spotter.push(one.log_probs)
    spotter.finish()
    best: dict[str, float] = {}
    for spot in spotter.take():
        best[spot.phrase] = max(best.get(spot.phrase, 0.0), spot.score)
    return best


def recall(hits: Sequence[float], alarms: Sequence[float], allowed: float) -> tuple[int, float]:
    """Return the hits above the threshold that lets ``allowed`` alarms through, and it."""
    ranked = sorted(alarms, reverse=True)
    n = int(allowed)
    threshold = ranked[n] if n < len(ranked) else 0.0
    return sum(score > threshold for score in hits), threshold


def main() -> None:
    """Print recalls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--keywords", type=int, default=100)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    heard = hear(model, args.speech, args.count, args.kept)
    chosen = keywords(heard, args.keywords)
    ways = spell_phrases(model, chosen)
    scores = [best_scores(model, one, ways) for one in heard]
    hours = sum(one.seconds for one in heard) / 3600
    hits: dict[str, list[float]] = {word: [] for word in chosen}
    alarms: dict[str, list[float]] = {word: [] for word in chosen}
    for one, found in zip(heard, scores, strict=True):
        said = set(one.text.split())
        for word in chosen:
            if word in said:
                hits[word].append(found.get(word, 0.0))
            elif word in found and word not in one.text:  # nor in a longer word
                alarms[word].append(found[word])
    total = sum(map(len, hits.values()))
    each = sum(recall(hits[word], alarms[word], hours)[0] for word in chosen)
    flat_hits = [score for scores in hits.values() for score in scores]
    flat_alarms = [score for scores in alarms.values() for score in scores]
    shared = {rate: recall(flat_hits, flat_alarms, rate * hours * len(chosen)) for rate in RATES}
    print(
        json.dumps(
            {
                "hours": hours,
                "keywords": len(chosen),
                "said": total,
                "recall, 1 alarm an hour a keyword, own thresholds": each / total,
                "alarms an hour a keyword: recall, one threshold for all": {
                    rate: [count / total, threshold] for rate, (count, threshold) in shared.items()
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
