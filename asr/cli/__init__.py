"""The command line: verbs that parse, call, print and exit.

Imports of heavy packages wait until a verb needs them.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    app: typer.Typer

__all__ = ["app", "main", "make_app"]

VERBS = (
    "prepare",
    "lexicon",
    "g2p",
    "train",
    "check",
    "learn",
    "tune",
    "evaluate",
    "lm",
    "transcribe",
    "align",
    "listen",
    "spot",
    "grammar",
    "verify",
    "score",
    "compare",
    "predict",
    "report",
    "bench",
    "export",
    "import",
    "serve",
)
LONGEST_ABOUT = 400  # characters of what a verb does in the list of verbs


def _print_version(asked: bool) -> None:
    if asked:
        from asr import __version__

        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Train, decode, score and use CNN + BiLSTM + CTC speech recognisers."""


class _Group(TyperGroup):
    """Verbs in the order of VERBS, with the whole sentence about each, not its first words."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = {verb: place for place, verb in enumerate(VERBS)}
        return sorted(super().list_commands(ctx), key=lambda name: order.get(name, len(VERBS)))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        verbs = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, verb.get_short_help_str(LONGEST_ABOUT)) for name, verb in verbs if verb]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def make_app(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Return the command line with these verbs, each a module of this package and the function or
    group in it.
    """
    app = typer.Typer(
        name="asr",
        cls=_Group,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich takes a quarter of a second to import
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_options)
    for verb in verbs:
        name = f"{verb}_" if keyword.iskeyword(verb) else verb
        module = import_module(f"asr.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=verb, cls=_Group)
        else:
            app.command(verb)(getattr(module, name))
    return app


def __getattr__(name: str) -> Any:
    if name == "app":  # whoever only transcribes does not wait for the other verbs
        return make_app()
    raise AttributeError(f"module 'asr.cli' has no attribute {name!r}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 all done, 1 something failed and is named on standard error,
    2 wrong usage.
    """
    from typer.main import get_command

    from asr.cli.guard import guarded, run
    from asr.cores import use_one_blas_thread

    use_one_blas_thread()

    arguments = sys.argv[1:] if arguments is None else arguments
    asked = [verb for verb in arguments[:1] if verb in VERBS]
    run(guarded(get_command(make_app(asked or VERBS))), arguments)
