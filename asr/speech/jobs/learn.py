"""Fine-tuning on corrected transcripts, kept only if held-out ones are recognised better.

The network goes on from its weights, the dictionary learns the words that it lacks, and the n-gram
model is mixed with one of the new transcripts where that lowers the perplexity of held-out ones.
Nothing is learned from the part ``test``: it decides.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr.catalogue import train
from asr.config import build_config
from asr.decoding import load_lm
from asr.decoding.language_models import file_for_folder
from asr.errors import DataError, ModelError
from asr.files import atomic_write_text
from asr.lm import estimate
from asr.lm.files import COMPACT_SUFFIX, read_model, write_model
from asr.lm.interpolation import interpolate, interpolation_weights
from asr.lm.model import SPECIAL_WORDS
from asr.model_folder import WEIGHTS, Bundle, add_to_bundle, open_model
from asr.scoring import Comparison, compare_pairs, pair, read_transcripts
from asr.speech.acoustics.network import CtcTaskConfig
from asr.speech.decoders import LM_FILES
from asr.speech.jobs.evaluate import evaluate
from asr.speech.jobs.self_training import SelfTrainingConfig, self_train
from asr.speech.options import ModelOptions
from asr.speech.training.config import trained_loss
from asr.text.pronunciations import Pronounce, Pronunciations

__all__ = ["CONFIG", "Learned", "Untranscribed", "adapt_lm", "learn", "open_trained"]

CONFIG = Path(__file__).with_name("learn.yaml")
SPLITS = ("train", "dev", "test")
RESULT = "learned.json"  # in the output folder, of accepted and of refused models
WORSE = "worse"  # in the run folder: the model folder of a training that was refused
DEV_UTTERANCES = 120  # decoded with the n-gram model after every epoch, to choose the weights
MIN_LM_SHARE = 0.02  # of the new transcripts' n-gram model, below which the old one is kept


@dataclass(frozen=True)
class Learned:
    """What a fine-tuning brought on the held-out part.

    Attributes:
        model: the new model folder.
        before: table of error rates before, as :func:`asr.speech.jobs.evaluate.evaluate` prints it.
        after: the same of the new model.
        comparison: both on the same utterances; ``a`` is before.
    """

    model: Path
    before: str
    after: str
    comparison: Comparison

    @property
    def accepted(self) -> bool:
        """Whether the new model makes no more errors than the old one."""
        return self.comparison.b.wer <= self.comparison.a.wer

    def to_dict(self) -> dict[str, Any]:
        """Return the word error rates, 0 to 1, the interval of their difference, the verdict."""
        boot = self.comparison.bootstrap
        return {
            "before": self.comparison.a.wer,
            "after": self.comparison.b.wer,
            "low": boot and boot.low,
            "high": boot and boot.high,
            "accepted": self.accepted,
            "verdict": self.verdict,
        }

    @property
    def verdict(self) -> str:
        """The gain in one sentence, and whether it can be chance."""
        a, b, boot = self.comparison.a.wer, self.comparison.b.wer, self.comparison.bootstrap
        text = f"WER {100 * a:.2f} % before, {100 * b:.2f} % after"
        if boot is None:
            return f"{text}; too little is held out to say whether that is chance"
        low, high = 100 * boot.low, 100 * boot.high
        proven = "" if boot.high < 0 else ", which may be chance: hold out more"
        return f"{text} (difference {low:+.2f} to {high:+.2f} points, 95 % interval){proven}"


@dataclass(frozen=True)
class Untranscribed:
    """Speech without text.

    Attributes:
        split: prepared split whose texts are not known, with copies at another speed.
        config: what is learned from it.
    """

    split: Path
    config: SelfTrainingConfig = field(default_factory=SelfTrainingConfig)


def open_trained(model: str | Path | Bundle) -> Bundle:
    """Open a model whose weights can be trained further.

    Raises:
        ModelError: there is no such model, or it is an exported one.
    """
    bundle = open_model(model, task="ctc")
    if WEIGHTS not in bundle.files:
        raise ModelError(
            f"{model} is an exported model.", "Give the trained one that it was made of."
        )
    return bundle


def learn(
    model: str | Path | Bundle,
    data: str | Path,
    output_dir: str | Path,
    *,
    lm: Path | None = None,
    overrides: Sequence[str] = (),
    pronounce: Pronounce | None = None,
    untranscribed: Untranscribed | None = None,
) -> Learned:
    """Fine-tune a model on a prepared corpus; refuse the result if it is worse.

    Args:
        model: a trained model, its folder or its name.
        data: folder of the prepared splits train, dev and test, at the model's feature settings.
        output_dir: gets ``before/``, the run folder ``run/`` with the new model, and
            ``learned.json`` with the gain.
        lm: n-gram model to use before and after, instead of the model's own adapted one.
        overrides: of the configuration, ``key=value``.
        pronounce: says words that the dictionary lacks.
        untranscribed: speech without text to learn from too.

    Raises:
        DataError: a split is missing, or nothing can be learned from the speech without text.
        ModelError: the model cannot be trained; or the new one makes more errors than the old one
            on the held-out part: it is then kept as ``run/worse``, for a look.
    """
    data, out = Path(data), Path(output_dir)
    _check_splits(data)
    bundle = open_trained(model)
    own = next((bundle.path / name for name in LM_FILES if name in bundle.files), None)
    before = evaluate(ModelOptions(bundle, lm=lm or own), [data / "test"], out / "before")
    texts = [data / name / "text.txt" for name in ("train", "dev")]
    adapted = lm or (own and adapt_lm(own, texts[0], texts[1], out))
    kept = file_for_folder(adapted, out) if adapted else {}
    settings = [*_settings(bundle, data), *_dev_search(bundle, adapted)]
    if lm and pronounce and Pronunciations.FILE in bundle.files:
        settings += _said(lm, bundle, out, pronounce)  # the training says those of the transcripts

    def tune(split: Path, run: Path) -> Path:
        own_settings = [f"data.train={split}", f"output_dir={run}"]
        tuned = train(CONFIG, [*settings, *own_settings, *overrides], pronounce=pronounce)
        add_to_bundle(tuned, kept, {"decoding": bundle.config.get("decoding") or {}})
        return tuned

    if untranscribed is None:
        tuned = tune(data / "train", out / "run")
    else:
        tuned = self_train(tune, data, untranscribed.split, out, untranscribed.config)
    after = evaluate(ModelOptions(tuned), [data / "test"], out / "run")
    learned = Learned(tuned, before, after, _compare(out / "before" / "test", out / "run" / "test"))
    atomic_write_text(out / RESULT, json.dumps(learned.to_dict(), indent=1) + "\n")
    _refuse_worse(learned)
    return learned


def adapt_lm(own: Path, train_text: Path, dev_text: Path, folder: Path) -> Path:
    """Return an n-gram model mixed with one of new transcripts, the weights found on others; the
    model's own file where the new transcripts do not help, or it is of a compiled form.
    """
    if own.suffix == ".bin":  # compiled for the search: it cannot be mixed any more
        return own
    old = read_model(own)
    new = estimate([train_text], order=min(3, old.order), notify=lambda note: None)
    weights = interpolation_weights([old, new], str(dev_text))
    if weights[1] < MIN_LM_SHARE:
        return own
    print(f"the language model takes {weights[1]:.0%} from the new transcripts", file=sys.stderr)
    adapted = folder / f"lm{COMPACT_SUFFIX}"
    write_model(interpolate([old, new], weights), adapted)
    return adapted


def _check_splits(data: Path) -> None:
    for name in SPLITS:
        if not (data / name / "text.txt").is_file():
            raise DataError(
                f"{data} has no part {name}.",
                "Learning needs recordings to train on, to choose the epoch (dev), and to prove "
                "the gain (test).",
            )


def _settings(bundle: Bundle, data: Path) -> list[str]:
    where = str(bundle.path / "config.yaml")
    network = build_config(CtcTaskConfig, bundle.config["network"], where=where)
    return [
        *(f"model.{name}={value}" for name, value in asdict(network.model).items()),
        *(f"loss.{name}={value}" for name, value in trained_loss(bundle).items()),
        f"normalization={network.normalization}",
        f"init_from={bundle.path}",
        f"data.dev={data / 'dev'}",
    ]


def _dev_search(bundle: Bundle, lm: Path | None) -> list[str]:
    """Let the decoder that people use choose the epoch, where it has an n-gram model."""
    if lm is None:
        return []
    stored = bundle.config.get("decoding") or {}
    weights = [f"data.{name}={stored[name]}" for name in ("lm_alpha", "lm_beta") if name in stored]
    return [f"data.lm={lm}", f"data.dev_utterances={DEV_UTTERANCES}", *weights]


def _said(lm: Path, bundle: Bundle, out: Path, pronounce: Pronounce) -> list[str]:
    """Write the words of an n-gram model that the dictionary lacks; return the setting."""
    known = Pronunciations.load(bundle.path / Pronunciations.FILE)
    words = [word for word in load_lm(lm).words if word not in SPECIAL_WORDS]
    said = pronounce([word for word in words if word not in known], known)
    if not len(said):
        return []
    path = out / Pronunciations.FILE
    said.save(path)
    return [f"tokenizer.lexicon={path}"]


def _compare(before: Path, after: Path) -> Comparison:
    references = read_transcripts(before / "references.tsv", None, "reference")
    a, b = (
        pair(references, read_transcripts(folder / "hypotheses.tsv", None, "hypothesis"))
        for folder in (before, after)
    )
    return compare_pairs(a, b)


def _refuse_worse(learned: Learned) -> None:
    """Move the new model out of the way if it makes more errors, and raise ModelError."""
    if learned.accepted:
        return
    aside = learned.model.replace(learned.model.with_name(WORSE))
    raise ModelError(
        f"The new model is worse on the held-out part: {learned.verdict}. It is in {aside}.",
        "Give more recordings, check their transcripts (asr check), or lower optimizer.lr.",
    )
