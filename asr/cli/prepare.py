"""``asr prepare``: a corpus -> manifests, stored features, text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.cli.options import numbers

if TYPE_CHECKING:
    from data_prep.store import Utterance

# Which options a corpus understands; any other is refused rather than ignored.
SHARES = ("dev_share", "test_share")
OPTIONS: dict[str, tuple[str, ...]] = {
    "aishell": (),
    "an4": ("dev_speakers",),
    "commonvoice": SHARES,
    "folder": SHARES,
    "librispeech": ("parts", "download", "mirror"),
    "ljspeech": SHARES,
    "long": (*SHARES, "text", "model", "output_dir"),
    "manifest": SHARES,
    "synthetic": ("hours",),
    "table": SHARES,
}


def prepare(
    corpus: Annotated[str, typer.Argument(help=f"One of: {', '.join(OPTIONS)}.")],
    source: Annotated[
        Path,
        typer.Argument(
            help="Corpus folder, table, manifest or Lhotse Shar; synthetic speech is written there."
        ),
    ],
    text: Annotated[
        str | None, typer.Argument(help="Of long: what is said in the recording, or a .txt file.")
    ] = None,
    *,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Gets one folder a split.")
    ],
    speeds: Annotated[
        str,
        typer.Option(
            "--speeds", help="Copies of the training splits at these speeds, such as 0.9,1.0,1.1."
        ),
    ] = "1.0",
    normalizer: Annotated[
        str,
        typer.Option(
            "--normalizer",
            help="Of the transcripts: none, librispeech, basic, english, chinese, mandarin.",
        ),
    ] = "none",
    parts: Annotated[
        str | None,
        typer.Option("--parts", help="Parts of librispeech, with commas; all by default."),
    ] = None,
    download: Annotated[
        str | None,
        typer.Option(
            "--download", help="Parts of librispeech to load into SOURCE first, with commas."
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="Address instead of https://www.openslr.org/resources."),
    ] = None,
    train_parts: Annotated[
        str | None,
        typer.Option(
            "--train-parts", help="Splits that get copies; those named train* by default."
        ),
    ] = None,
    dev_share: Annotated[
        float | None, typer.Option("--dev-share", help="Share held out where no split is.")
    ] = None,
    test_share: Annotated[
        float | None, typer.Option("--test-share", help="The same for a test split.")
    ] = None,
    dev_speakers: Annotated[
        int | None,
        typer.Option("--dev-speakers", min=0, help="Training speakers of an4 held out as dev: 8."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Speech model that long aligns with: en.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0.01, help="Of synthetic speech to make.")
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option("--noise", help="Folder of noises for a further copy of the training splits."),
    ] = None,
    noise_setting: Annotated[
        list[str] | None,
        typer.Option("--noise-setting", help="key=value: copies, snr_db_low, reverb_share, ..."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="key=value of the features, such as n_mels=40."),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="Of the stored features: int16 or int8.")
    ] = "int16",
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="Utterances that may be left out.")
    ] = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0: one a core.")] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray", help="Compute features on the Ray cluster at this address; local: here."
        ),
    ] = None,
    shar: Annotated[
        Path | None,
        typer.Option("--shar", help="Also write each split as Lhotse Shar below this folder."),
    ] = None,
    shar_size: Annotated[
        int | None, typer.Option("--shar-size", min=1, help="Utterances in a tar shard: 1000.")
    ] = None,
) -> None:
    """Prepare a corpus for training: manifests, features, text for the language model.

    A run that was stopped goes on where it was, and a finished one is left alone.
    """
    given = {
        "parts": parts,
        "dev_share": dev_share,
        "test_share": test_share,
        "dev_speakers": dev_speakers,
        "text": text,
        "model": model,
        "output_dir": output_dir if corpus == "long" else None,
    }
    options = _options(corpus, given | {"hours": hours, "download": download, "mirror": mirror})
    if shar_size and shar is None:
        raise typer.BadParameter("it goes with --shar.", param_hint="--shar-size")

    from asr.audio.perturbation import NoiseConfig
    from asr.config import build_config, parse_overrides
    from asr.features.config import FeatureConfig
    from data_prep.prepare import prepare as run
    from data_prep.shar import SHARD_SIZE, check_target, write_shar

    features = build_config(FeatureConfig, parse_overrides(feature or []), where="--feature")
    changes = parse_overrides([*([f"folder={noise}"] if noise else []), *(noise_setting or [])])
    copies = build_config(NoiseConfig, changes, where="--noise-setting") if changes else None
    factors = numbers(speeds, "--speeds", float)
    copied = None if train_parts is None else train_parts.split(",")
    splits = _read(corpus, source, options, jobs)
    targets = {name: shar / name for name in splits} if shar else {}
    for target in targets.values():
        check_target(target)
    done = run(
        splits,
        output_dir,
        features=features,
        speeds=factors,
        dtype=dtype,
        normalizer=normalizer,
        max_skipped=max_skipped,
        jobs=jobs,
        noise=copies,
        train_splits=copied,
        ray=ray,
    )
    for split in done:
        size = f"{split.utterances} utterances\t{split.hours:.2f} h\t{split.speakers} speakers"
        typer.echo(f"{split.path}\t{size}")
        if split.skipped:
            typer.echo(
                f"{len(split.skipped)} skipped, named in {split.path / 'skipped.tsv'}", err=True
            )
    for split, target in zip(done, targets.values(), strict=False):
        shards = write_shar(split.path, target, shar_size or SHARD_SIZE, jobs, ray)
        typer.echo(f"{target}\t{split.utterances} utterances\t{shards} shards")


def _options(corpus: str, given: dict[str, Any]) -> dict[str, Any]:
    if corpus not in OPTIONS:
        raise typer.BadParameter(
            f"{corpus!r} is none of {', '.join(OPTIONS)}.", param_hint="CORPUS"
        )
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in OPTIONS[corpus]:
            raise typer.BadParameter(
                f"{corpus} knows no such option.", param_hint=f"--{name.replace('_', '-')}"
            )
    return options


def _download(source: Path, options: dict[str, Any]) -> None:
    from data_prep.librispeech import LM_TEXT, MIRROR, download_librispeech

    names, mirror = options.pop("download", None), options.pop("mirror", MIRROR)
    if names is None:
        if mirror != MIRROR:
            raise typer.BadParameter("it goes with --download.", param_hint="--mirror")
        return
    download_librispeech(source, names.split(","), mirror)
    if loaded := [name for name in names.split(",") if name != LM_TEXT]:
        options.setdefault("parts", ",".join(loaded))


def _read(
    corpus: str, source: Path, options: dict[str, Any], jobs: int
) -> dict[str, list[Utterance]]:
    import importlib

    if corpus == "synthetic":
        from data_prep.synthetic import SyntheticConfig, make_synthetic

        make_synthetic(source, SyntheticConfig.of_hours(**options) if options else None, jobs=jobs)
        corpus, options = "librispeech", {}
    if corpus == "long":
        from data_prep.long import LongConfig, read_long

        named = {"model": options.pop("model")} if "model" in options else {}
        text, output_dir = options.pop("text", None), options.pop("output_dir")
        return read_long(source, text, output_dir, LongConfig(**named), jobs=jobs, **options)
    if corpus == "librispeech":
        _download(source, options)
    if "parts" in options:
        options["parts"] = options["parts"].split(",")
    module, name = {"table": ("tables", "read_table"), "manifest": ("manifest", "read_lhotse")}.get(
        corpus, (corpus, f"read_{corpus}")
    )
    reader: Callable[..., dict[str, list[Utterance]]] = getattr(
        importlib.import_module(f"data_prep.{module}"), name
    )
    return reader(source, **options)
