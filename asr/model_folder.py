"""The model folder: everything that a model needs, in plain files that are checked on opening.

config.yaml           task and its configuration, decoding settings, training data
model.safetensors     weights, in fp32 or fp16; no code runs on loading
model.onnx            instead or beside: the exported network, which needs no torch
tokenizer.*           for speech
lm.lmz, lm.arpa[.gz], lm.bin  optional n-gram model
g2p.lmz               optional letters to sounds, for units that are phones
CARD.md               optional: data, licences, figures, limits
bundle.json           format version and a SHA-256 of each of the above
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.config import read_yaml, yaml_text
from asr.errors import ConfigError, ModelError
from asr.files import atomic_write_text, real_path

__all__ = [
    "DEFAULT_MODEL",
    "Bundle",
    "add_to_bundle",
    "check_apart",
    "compact_bundle",
    "copy_files",
    "find_model",
    "open_bundle",
    "open_model",
    "pretrained_folders",
    "save_weights",
    "write_bundle",
]

FORMAT_VERSION = 1
INDEX = "bundle.json"
CONFIG = "config.yaml"
WEIGHTS = "model.safetensors"
CARD = "CARD.md"
DEFAULT_MODEL = "en"  # used by `asr transcribe` when no model is given
INSTALLED = "_pretrained"  # where the wheel has the folder `pretrained` of the repository


@dataclass(frozen=True)
class Bundle:
    """An opened model folder whose files have the checksums that were written with them.

    Attributes:
        path: the folder.
        config: content of ``config.yaml``.
        files: their names.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the folder, or of the run folder that holds it as ``model``."""
        path = self.path.resolve()  # "." and "model" have names too
        return path.name if path.name != "model" else path.parent.name

    @property
    def created(self) -> int:
        """When the folder was written, in seconds since 1970."""
        return int((self.path / INDEX).stat().st_mtime)

    @property
    def task(self) -> str:
        """Name of the task, such as ``ctc``."""
        return str(self.config["task"])

    def weights(self) -> dict[str, Any]:
        """Return the weights as torch tensors by name: fp32, or fp16 in a small copy.

        Raises:
            ModelError: the folder holds none.
        """
        from safetensors.torch import load_file

        if WEIGHTS not in self.files:
            raise ModelError(
                f"The model {self.path} holds no {WEIGHTS}, only an exported network.",
                "Give the trained model.",
            )
        return dict(load_file(self.path / WEIGHTS))

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder.

        Raises:
            ModelError: the folder does not hold it.
        """
        if name not in self.files:
            raise ModelError(
                f"The model {self.path} holds no {name}; it holds: {', '.join(self.files)}."
            )
        return self.path / name


def save_weights(folder: Path, weights: Mapping[str, Any]) -> None:
    """Write torch tensors by name, such as a ``state_dict``, to a model folder in the making."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / WEIGHTS)


def write_bundle(folder: str | Path, write: Callable[[Path], None]) -> Path:
    """Make a model folder atomically, and return its path.

    An older model folder of the same name is replaced; after an error it is untouched.

    Args:
        folder: path of the model folder.
        write: puts the files into the empty folder that it is given; the index is added.

    Raises:
        ModelError: another kind of folder has this name.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp's own lets nobody else read
        write(temporary)
        _write_index(temporary)
        _replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _replace_folder(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    if not (folder / INDEX).is_file() and any(folder.iterdir()):
        raise ModelError(
            f"{folder} exists and is not a model folder.",
            "Give another output folder; nothing was overwritten.",
        )
    old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)  # the older one comes back
        raise
    shutil.rmtree(old)


def check_apart(bundle: Bundle, output: str | Path) -> None:
    """Refuse to write a copy of a model folder over that folder.

    Raises:
        ConfigError: ``output`` is the folder of ``bundle``.
    """
    if real_path(output) == bundle.path.resolve():
        raise ConfigError(
            f"{output} is the model itself, which would be lost.", "Give another output folder."
        )


def copy_files(source: Path, folder: Path) -> None:
    """Copy the files of a model folder but for its index, which :func:`write_bundle` makes."""
    for path in source.iterdir():
        if path.name != INDEX:
            shutil.copyfile(path, folder / path.name)


def add_to_bundle(
    folder: str | Path | Bundle,
    files: Mapping[str, Path],
    config: Mapping[str, Any] | None = None,
    drop: Collection[str] = (),
) -> None:
    """Copy files such as a language model into a model folder, under the names given as keys.

    Args:
        folder: model folder.
        files: name in the folder -> path of the source.
        config: sections of ``config.yaml`` to add or replace.
        drop: names of files to remove.
    """
    bundle = open_model(folder)

    def write(target: Path) -> None:
        for name in set(bundle.files) - set(drop) - set(files):
            shutil.copyfile(bundle.path / name, target / name)
        for name, source in files.items():
            shutil.copyfile(source, target / name)
        atomic_write_text(target / CONFIG, yaml_text({**bundle.config, **(config or {})}))

    write_bundle(bundle.path, write)


def compact_bundle(
    folder: str | Path | Bundle,
    output: str | Path,
    files: Mapping[str, Path] | None = None,
    decoding: str | Path | None = None,
) -> Path:
    """Write a small copy of a model folder, with weights in fp16, and return its path.

    Args:
        folder: model folder.
        output: the copy.
        files: name in the copy -> path of a file to add, such as a card or a language model (those
            of the folder are then left out).
        decoding: YAML file of decoding settings for the copy.
    """
    bundle = open_model(folder)
    check_apart(bundle, output)
    extra = dict(files or {})
    config = dict(bundle.config)
    if decoding is not None:
        config["decoding"] = read_yaml(decoding)
    own_lms = {name for name in bundle.files if name.startswith("lm.")}
    left_out = own_lms if any(name.startswith("lm.") for name in extra) else set()

    def write(target: Path) -> None:
        for name in set(bundle.files) - {WEIGHTS, CONFIG} - left_out - set(extra):
            shutil.copyfile(bundle.path / name, target / name)
        for name, source in extra.items():
            shutil.copyfile(source, target / name)
        weights = bundle.weights()
        half = {n: w.half() if w.is_floating_point() else w for n, w in weights.items()}
        save_weights(target, half)
        atomic_write_text(target / CONFIG, yaml_text(config))

    return write_bundle(output, write)


def _write_index(folder: Path) -> None:
    sums = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != INDEX}
    content = {"format": FORMAT_VERSION, "sha256": sums}
    atomic_write_text(folder / INDEX, json.dumps(content, indent=1) + "\n")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def open_bundle(folder: str | Path, task: str | None = None) -> Bundle:
    """Open a model folder after checking the checksum of every file.

    Args:
        folder: path of a model folder, or of a run folder that holds one as ``model``.
        task: refuse a model of another task.

    Raises:
        ModelError: no model there, another format version, a missing or changed file, or another
            task.
    """
    folder = _with_index(Path(folder)) or Path(folder)
    index = _read_index(folder)
    for name, expected in index["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise ModelError(
                f"The model folder {folder} lacks {name}.", "Copy the whole folder again."
            )
        # the card is prose, which may be edited
        if name != CARD and _sha256(path) != expected:
            raise ModelError(
                f"{path} is not what was written with the model.", "Copy the whole folder again."
            )
    bundle = Bundle(folder, read_yaml(folder / CONFIG), tuple(index["sha256"]))
    if task is not None:
        _check_task(bundle, task)
    return bundle


def _with_index(folder: Path) -> Path | None:
    """Return the model folder that this folder is or, as run folders do, holds; None if neither."""
    places = (folder, folder / "model")
    return next((place for place in places if (place / INDEX).is_file()), None)


def _check_task(bundle: Bundle, task: str) -> None:
    if bundle.config.get("task") != task:
        raise ModelError(
            f"{bundle.path} is a model for the task {bundle.config.get('task')!r}, "
            f"needed is one for {task!r}.",
            "Give the folder of another model.",
        )


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        version, sums = index["format"], index["sha256"]
    except (FileNotFoundError, NotADirectoryError):
        what = "is not a model folder (no bundle.json)" if folder.exists() else "does not exist"
        raise ModelError(f"{folder} {what}.", "Give a folder that `asr train` wrote.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / INDEX} is damaged.", "Copy the whole folder again.") from error
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{folder} has format {version}; this version reads {FORMAT_VERSION}.", "Update asr."
        )
    if not isinstance(sums, dict) or CONFIG not in sums:
        raise ModelError(f"{folder / INDEX} is damaged.", "Copy the whole folder again.")
    return {"sha256": sums}


def pretrained_folders() -> dict[str, Path]:
    """Return the models that come with asr by name, in the repository or the installed package."""
    package = Path(__file__).resolve().parent
    folders: dict[str, Path] = {}
    for parent in (package.parent / "pretrained", package / INSTALLED):
        if parent.is_dir():
            indexes = sorted(parent.glob(f"*/{INDEX}"))
            folders |= {index.parent.name: index.parent for index in indexes}
    return folders


def find_model(model: str | Path, tasks: Collection[str] = ()) -> Path:
    """Return the folder of a model given by path, or by the name of one that comes with asr.

    A model or run of that path goes first: no name hides a user's own model. Any other folder,
    such as one of English recordings called ``en``, hides no name.

    Args:
        model: path or name.
        tasks: what the caller can use; the message lists models of these alone (empty: of any).

    Raises:
        ModelError: there is neither; the message lists the names, unless a path was meant.
    """
    path, known = Path(model), pretrained_folders()
    is_own = _with_index(path) is not None or (path / CONFIG).is_file()
    if str(model) in known and not is_own:
        return known[str(model)]
    if path.exists():
        return path
    remedy = "Give a folder that `asr train` wrote."
    if path.parent == Path():  # else a path was meant, not a name
        remedy += f" {_names_of(known, tasks)}"
    raise ModelError(f"There is no model {str(model)!r}.", remedy)


def _names_of(folders: Mapping[str, Path], tasks: Collection[str]) -> str:
    """Return a sentence with the names of the models of these tasks."""
    names = [
        name
        for name, folder in sorted(folders.items())
        if not tasks or read_yaml(folder / "config.yaml").get("task", "ctc") in tasks
    ]
    if not names:
        return f"No models {'of this kind ' if tasks and folders else ''}come with this asr."
    return f"Models that come with asr: {', '.join(names)}."


def open_model(model: str | Path | Bundle, task: str | None = None) -> Bundle:
    """Open a model by path or name; open it once and pass the result on, since files are hashed.

    Args:
        model: path of a model or run folder, name of a model that comes with asr, or an opened
            model, of which only the task is checked.
        task: refuse a model of another task.

    Raises:
        ModelError: see :func:`find_model` and :func:`open_bundle`.
    """
    if not isinstance(model, Bundle):
        return open_bundle(find_model(model, () if task is None else (task,)), task)
    if task is not None:
        _check_task(model, task)
    return model
