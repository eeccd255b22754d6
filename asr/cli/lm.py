"""``asr lm``: estimate, prune, interpolate, convert, compile and measure n-gram models."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.cli.options import numbers

if TYPE_CHECKING:
    from asr.lm import BuildSummary

_ABOUT = "Estimate, prune, interpolate, convert, compile and measure n-gram models."
app = typer.Typer(help=_ABOUT, no_args_is_help=True)

_FORMS = "ARPA, plain or .gz, or compact (.lmz)"
Model = Annotated[Path, typer.Argument(metavar="MODEL", help=f"A model file: {_FORMS}.")]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="File to write: compact if it ends in .lmz (2 bytes an n-gram), else ARPA.",
    ),
]
Written = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SkipSymbols = Annotated[
    bool,
    typer.Option("--skip-symbols", help="Treat <s>, </s> and <unk> in the text as white space."),
]


def _say(message: str) -> None:
    typer.echo(message, err=True)


@app.command()
def build(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...", help="Text, one sentence per line; may be .gz; - for stdin."
        ),
    ],
    output: Output,
    order: Annotated[int, typer.Option(help="Order of the model, 1-6.")] = 3,
    prune: Annotated[
        str,
        typer.Option(help="Per order, drop n-grams with at most this count, as lmplz: '0 0 1'."),
    ] = "0",
    vocabulary: Annotated[
        Path | None, typer.Option(help="File of words; all others become <unk>.")
    ] = None,
    max_words: Annotated[
        int | None, typer.Option(help="Keep this many of the most frequent words.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit, such as 500MB; spills to disk.")
    ] = None,
    temp_dir: Annotated[Path | None, typer.Option(help="Folder for temporary files.")] = None,
    discount_fallback: Annotated[
        str,
        typer.Option(
            help="D1 D2 D3+ if counts are too few to estimate them; 'none': fail instead."
        ),
    ] = "0.5 1 1.5",
    interpolate_unigrams: Annotated[
        bool, typer.Option(help="Interpolate unigrams with the uniform distribution.")
    ] = True,
    skip_symbols: SkipSymbols = False,
    threads: Annotated[int | None, typer.Option(help="Default: all processors.")] = None,
) -> None:
    """Estimate a modified Kneser-Ney model from text."""
    summary = _build(
        texts,
        output,
        temp_dir,
        order=order,
        prune=numbers(prune, "--prune", int),
        vocabulary=vocabulary,
        max_words=max_words,
        memory=memory,
        discount_fallback=None if discount_fallback == "none" else _three(discount_fallback),
        interpolate_unigrams=interpolate_unigrams,
        skip_symbols=skip_symbols,
        threads=threads,
        notify=lambda note: _say(f"note: {note}"),
    )
    _say(
        f"{summary.words} words in {summary.sentences} sentences"
        + (", sorted on disk" * summary.spilled)
    )
    for n, (count, discounts) in enumerate(zip(summary.counts, summary.discounts, strict=False), 1):
        _say(
            f"{n}-grams: {count}, D1 {discounts.one:.4g}, D2 {discounts.two:.4g}, D3+ "
            f"{discounts.three_plus:.4g}"
        )
    _say(f"wrote {output}")


def _build(texts: list[str], output: Path, temp_dir: Path | None, **options: Any) -> BuildSummary:
    """Write the model that is named; a compact one is made of ARPA text, which is written bit by
    bit.
    """
    from asr.lm import build_arpa, read_model, write_model
    from asr.lm.files import COMPACT_SUFFIX

    if output.suffix != COMPACT_SUFFIX:
        return build_arpa(texts, output, temp_folder=temp_dir, **options)
    with tempfile.TemporaryDirectory(dir=temp_dir) as folder:
        arpa = Path(folder) / "model.arpa"
        summary = build_arpa(texts, arpa, temp_folder=temp_dir, **options)
        write_model(read_model(arpa), output)
    return summary


def _three(text: str) -> tuple[float, float, float]:
    given = numbers(text, "--discount-fallback", float)
    if len(given) != 3:
        raise typer.BadParameter(f"{text!r} is not three numbers", param_hint="--discount-fallback")
    return given[0], given[1], given[2]


@app.command()
def prune(
    model: Model,
    output: Output,
    threshold: Annotated[
        float | None, typer.Option(help="Relative change of perplexity, such as 1e-8.")
    ] = None,
    max_ngrams: Annotated[
        int | None, typer.Option(help="Keep at most this many n-grams of all orders.")
    ] = None,
    contexts: Annotated[
        list[str] | None,
        typer.Option(
            help="Text of the model, to count contexts in; repeatable. Default: asks the model."
        ),
    ] = None,
) -> None:
    """Drop the n-grams that change the model least (entropy pruning)."""
    from asr.lm import prune_entropy, read_model, write_model

    before = read_model(model)
    after = prune_entropy(
        before, threshold=threshold, max_ngrams=max_ngrams, contexts=contexts or None
    )
    write_model(after, output)
    _say(f"n-grams per order: {list(before.counts)} -> {list(after.counts)}; wrote {output}")


@app.command()
def interpolate(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help=f"Two or more model files: {_FORMS}.")
    ],
    output: Output,
    weights: Annotated[str | None, typer.Option(help="One weight per model: '0.7 0.3'.")] = None,
    heldout: Annotated[
        list[str] | None, typer.Option(help="Text to tune the weights on; repeatable.")
    ] = None,
) -> None:
    """Interpolate models linearly, with given weights or weights tuned on held-out text."""
    from asr.errors import LanguageModelError
    from asr.lm import interpolate as mix
    from asr.lm import interpolation_weights, read_model, write_model

    if (weights is None) == (not heldout):
        raise LanguageModelError(
            "Interpolation needs weights or held-out text.", "Give either --weights or --heldout."
        )
    loaded = [read_model(path) for path in models]
    if heldout:
        chosen = interpolation_weights(loaded, heldout)
        for path, weight in zip(models, chosen, strict=True):
            _say(f"{weight:.4f} {path}")
    else:
        chosen = list(numbers(weights or "", "--weights", float))
    mixture = mix(loaded, chosen)
    write_model(mixture, output)
    _say(f"n-grams per order: {list(mixture.counts)}; wrote {output}")


@app.command()
def perplexity(
    model: Model,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...", help="Text, one sentence per line; may be .gz; - for stdin."
        ),
    ],
    skip_symbols: SkipSymbols = False,
    as_json: AsJson = False,
) -> None:
    """Print the perplexity of a model on text, with and without unknown words."""
    from dataclasses import asdict

    from asr.lm import perplexity as measure
    from asr.lm import read_model

    result = measure(read_model(model), texts, skip_symbols=skip_symbols)
    if as_json:
        typer.echo(json.dumps(asdict(result)))
        return
    typer.echo(f"perplexity with OOV\t{result.with_oov:.4f}")
    typer.echo(f"perplexity without OOV\t{result.without_oov:.4f}")
    typer.echo(f"words\t{result.words}\nOOV\t{result.oov}\nsentences\t{result.sentences}")
    typer.echo(f"log10 probability\t{result.log10_prob:.4f}")


@app.command()
def convert(
    model: Model,
    output: Output,
    step: Annotated[
        float | None,
        typer.Option(help="Compact form: width of the cells of log10 probabilities (0.05)."),
    ] = None,
) -> None:
    """Write a model in another form: ARPA text becomes compact (MODEL.lmz), or the other way round.

    The compact form takes a quarter of the room of gzipped ARPA text and half the time to read.
    Log10 probabilities are rounded by 0.0125 on average, which moves perplexity by about 0.1 %.
    """
    from asr.errors import LanguageModelError
    from asr.lm import read_model, write_compact, write_model
    from asr.lm.files import COMPACT_SUFFIX

    if step is None:
        write_model(read_model(model), output)
    elif output.suffix == COMPACT_SUFFIX:
        write_compact(read_model(model), output, step)
    else:
        raise LanguageModelError(
            f"{output} is not compact: nothing is rounded in it.", "Leave out --step."
        )
    _say(
        f"{model.stat().st_size / 1e6:.1f} MB -> {output.stat().st_size / 1e6:.1f} MB; "
        f"wrote {output}"
    )


@app.command("compile")
def compile_model(model: Model, output: Written) -> None:
    """Compile a model into arrays that the decoder maps into memory at once."""
    from asr.decoding import compile_lm

    compile_lm(model, output)
    typer.echo(output)
