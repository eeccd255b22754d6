"""A network of characters decodes words: its phones sound alike at the start of a word and inside.

python recipes/mandarin/words.py MODEL LEXICON OUTPUT

Transcripts of the training are characters, so that no sentence has to be segmented and each initial
begins one: the network knows it as ``▁b`` only. A word of several characters begins with ``▁b`` and
goes on with ``b``, so the outputs of ``b`` become those of ``▁b``. (A frame is then normalised
anew, which takes as much from all paths.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, open_model, save_weights, write_bundle
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import SPACE, PhoneTokenizer, load_tokenizer

OUTPUTS = ("network.output.weight", "network.output.bias")


def with_words(model: str | Path, lexicon: Pronunciations, output: Path) -> Path:
    """Write a model folder that decodes the words of ``lexicon``, and return its path.

    Args:
        model: model folder, trained on characters.
        lexicon: the characters, and words of them.
        output: the new folder.
    """
    bundle = open_model(model, task="ctc")
    tokenizer = load_tokenizer(bundle.path)
    assert isinstance(tokenizer, PhoneTokenizer)
    words = PhoneTokenizer(lexicon, tokenizer.phones)
    weights = bundle.weights()
    place = {token: number for number, token in enumerate(words.tokens)}
    for initial in {ways[0][0] for ways in lexicon.values()}:
        for name in OUTPUTS:
            weights[name][place[initial]] = weights[name][place[SPACE + initial]]

    def write(target: Path) -> None:
        words.save(target)
        save_weights(target, weights)
        atomic_write_text(target / CONFIG, (bundle.path / CONFIG).read_text(encoding="utf-8"))

    return write_bundle(output, write)


def main() -> None:
    """Convert a model folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder, or the name of a model that comes with asr")
    parser.add_argument("lexicon", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    lexicon = Pronunciations.load(arguments.lexicon)
    print(with_words(arguments.model, lexicon, arguments.output))


if __name__ == "__main__":
    run_script(main)
