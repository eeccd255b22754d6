"""``asr lm``: estimate, prune, interpolate, measure and compile n-gram models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Estimate, prune, interpolate, measure and compile n-gram language models.",
    no_args_is_help=True,
)

Model = Annotated[Path, typer.Argument(metavar="MODEL.arpa", help="ARPA file; may be .gz.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="ARPA file to write; gzipped if it ends in .gz.")
]
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
    from asr.lm import build_arpa

    summary = build_arpa(
        texts,
        output,
        order,
        prune=_numbers(prune, int, "--prune"),
        vocabulary=vocabulary,
        max_words=max_words,
        memory=memory,
        temp_folder=temp_dir,
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


def _numbers(text: str, kind: type[int] | type[float], option: str) -> list[Any]:
    try:
        return [kind(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of numbers", param_hint=option) from None


def _three(text: str) -> tuple[float, float, float]:
    numbers = _numbers(text, float, "--discount-fallback")
    if len(numbers) != 3:
        raise typer.BadParameter(f"{text!r} is not three numbers", param_hint="--discount-fallback")
    return numbers[0], numbers[1], numbers[2]


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
) -> None:
    """Drop the n-grams that change the model least (entropy pruning)."""
    from asr.lm import prune_entropy, read_arpa, write_arpa

    before = read_arpa(model)
    after = prune_entropy(before, threshold=threshold, max_ngrams=max_ngrams)
    write_arpa(after, output)
    _say(f"n-grams per order: {list(before.counts)} -> {list(after.counts)}; wrote {output}")


@app.command()
def interpolate(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL.arpa...", help="Two or more ARPA files.")
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
    from asr.lm import interpolation_weights, read_arpa, write_arpa

    if (weights is None) == (not heldout):
        raise LanguageModelError(
            "Interpolation needs weights or held-out text.", "Give either --weights or --heldout."
        )
    loaded = [read_arpa(path) for path in models]
    if heldout:
        chosen = interpolation_weights(loaded, heldout)
        for path, weight in zip(models, chosen, strict=True):
            _say(f"{weight:.4f} {path}")
    else:
        chosen = _numbers(weights or "", float, "--weights")
    mixture = mix(loaded, chosen)
    write_arpa(mixture, output)
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
    from asr.lm import read_arpa

    result = measure(read_arpa(model), texts, skip_symbols=skip_symbols)
    if as_json:
        typer.echo(json.dumps(asdict(result)))
        return
    typer.echo(f"perplexity with OOV\t{result.with_oov:.4f}")
    typer.echo(f"perplexity without OOV\t{result.without_oov:.4f}")
    typer.echo(f"words\t{result.words}\nOOV\t{result.oov}\nsentences\t{result.sentences}")
    typer.echo(f"log10 probability\t{result.log10_prob:.4f}")


@app.command("compile")
def compile_model(model: Model, output: Output) -> None:
    """Compile an ARPA file into an automaton, which the decoder loads at once."""
    from asr.decoding import compile_lm

    compile_lm(model, output)
    typer.echo(output)
