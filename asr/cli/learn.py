"""``asr learn``: a model and corrected transcripts -> a better model, proven on held-out ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
) -> None:
    """Teach a model your voice and words, and prove the gain on recordings that were held out.

    A model that got worse is refused.
    """
    from asr.config import build_config
    from asr.speech.acoustics.network import CtcTaskConfig
    from asr.speech.jobs.learn import learn as run
    from asr.speech.jobs.learn import open_trained
    from data_prep.learning import prepare_recordings
    from data_prep.pronounce import say_by_letters

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
    learned = run(
        bundle, data, output_dir, lm=lm, overrides=overrides or (), pronounce=say_by_letters
    )
    typer.echo(f"before\n{learned.before}\n\nafter\n{learned.after}\n\n{learned.verdict}")
    typer.echo(f"try: asr transcribe RECORDING --model {output_dir / 'run'}", err=True)
