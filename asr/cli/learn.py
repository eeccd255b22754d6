"""``asr learn``: a model and corrected transcripts -> a better model, proven on held-out ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import given


def learn(
    model: Annotated[str, typer.Argument(help="Trained model, run folder, or a name such as en.")],
    recordings: Annotated[
        Path,
        typer.Argument(
            help="Folder of audio with transcripts beside it, or a table of audio and text; "
            "a row without text is left out."
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, such as trainer.time_limit_s=300.")
    ] = None,
    output_dir: Annotated[
        Path,
        typer.Option("--output-dir", "-o", help="Gets data/, before/ and the run folder run/."),
    ] = Path("runs/learn"),
    lm: Annotated[
        Path | None,
        typer.Option(help="n-gram model, instead of the model's own with the new words in it."),
    ] = None,
    normalizer: Annotated[
        str, typer.Option(help="Writes the transcripts as the model spells; mandarin for zh.")
    ] = "librispeech",
    dev_share: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="Share that chooses the epoch.")
    ] = 0.1,
    test_share: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="Share that proves the gain.")
    ] = 0.2,
    untranscribed: Annotated[
        Path | None,
        typer.Option(help="Folder of recordings without text, to learn from what is surely heard."),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="So many students learn from their teacher's text; 1."),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of a text that is learned from, mean of its words; 0.8."),
    ] = None,
    max_disagreement: Annotated[
        float | None,
        typer.Option(min=0, help="Share of its words heard otherwise at another speed; 0.1."),
    ] = None,
) -> None:
    """Teach a model your voice and words, and prove the gain on recordings that were held out.

    A model that got worse is refused. With --untranscribed, the model that has learned from the
    transcripts transcribes other recordings, and a new one learns from both.
    """
    from asr.config import build_config
    from asr.speech.acoustics.network import CtcTaskConfig
    from asr.speech.jobs.learn import Untranscribed, open_trained
    from asr.speech.jobs.learn import learn as run
    from asr.speech.jobs.self_training import SelfTrainingConfig
    from data_prep.learning import prepare_recordings, prepare_untranscribed
    from data_prep.pronounce import say_by_letters

    options = given(rounds=rounds, min_confidence=min_confidence, max_disagreement=max_disagreement)
    if options and untranscribed is None:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        raise typer.BadParameter("it goes with --untranscribed FOLDER.", param_hint=names)
    bundle = open_trained(model)
    network = build_config(CtcTaskConfig, bundle.config["network"], where=model)
    data = prepare_recordings(
        recordings,
        output_dir / "data",
        network.features,
        normalizer=normalizer,
        dev_share=dev_share,
        test_share=test_share,
    )
    speech = None
    if untranscribed is not None:
        split = prepare_untranscribed(untranscribed, data, network.features)
        speech = Untranscribed(split, SelfTrainingConfig(**options))
    learned = run(
        bundle,
        data,
        output_dir,
        lm=lm,
        overrides=overrides or (),
        pronounce=say_by_letters,
        untranscribed=speech,
    )
    typer.echo(f"before\n{learned.before}\n\nafter\n{learned.after}\n\n{learned.verdict}")
    typer.echo(f"try: asr transcribe RECORDING --model {output_dir / 'run'}", err=True)
