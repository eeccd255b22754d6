"""The command line: verbs that parse, call, print and exit. Imports of heavy packages wait until a verb needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from asr.cli.align import align
from asr.cli.bench import bench
from asr.cli.compare import compare
from asr.cli.evaluate import evaluate
from asr.cli.export import export
from asr.cli.lexicon import lexicon
from asr.cli.listen import listen
from asr.cli.lm import app as lm_app
from asr.cli.predict import predict
from asr.cli.prepare import prepare
from asr.cli.report import report
from asr.cli.score import score
from asr.cli.serve import serve
from asr.cli.train import train
from asr.cli.transcribe import transcribe
from asr.cli.tune import tune

__all__ = ["app", "main"]

app = typer.Typer(
    name="asr",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from asr import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train, decode, score and use CNN + BiLSTM + CTC speech recognisers."""


app.command()(prepare)
app.command()(lexicon)
app.command()(train)
app.command()(tune)
app.command()(evaluate)
app.add_typer(lm_app, name="lm")
app.command()(transcribe)
app.command()(align)
app.command()(listen)
app.command()(score)
app.command()(compare)
app.command()(predict)
app.command()(report)
app.command()(bench)
app.command()(export)
app.command()(serve)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 all done, 1 something failed and is named on standard error, 2 wrong usage."""
    from asr.errors import AsrError

    try:
        app(arguments)
    except AsrError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; what was finished before is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `asr ... | head` is no failure of ours
        sys.stderr.close()
        sys.exit(0)
