"""Typed configurations: dataclasses from YAML and ``key=value`` overrides, unknown keys refused."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from asr.errors import ConfigError
from asr.files import atomic_write_text

__all__ = [
    "as_dict",
    "build_config",
    "check_choice",
    "check_files",
    "check_range",
    "config_yaml",
    "load_config",
    "parse_overrides",
    "read_yaml",
    "save_config",
    "yaml_text",
]

C = TypeVar("C")
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SPECIAL = ("${", "???")  # OmegaConf's interpolations and missing values


_FLOAT = re.compile(
    r"([-+]?\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|[-+]?\d[\d_]*[eE][-+]?\d+"
    r"|\.[\d_]+([eE][-+]\d+)?|[-+]?\d[\d_]*(:[0-5]?\d)+\.[\d_]*)$"
)


class _Loader(_BASE):  # type: ignore[misc,unused-ignore]
    """Reads plain YAML as OmegaConf does: 1e-3 is a number, dates are text, a key is there once."""

    yaml_implicit_resolvers: typing.ClassVar[dict[str, list[tuple[str, Any]]]] = {
        first: [(tag, form) for tag, form in forms if not tag.endswith((":float", ":timestamp"))]
        for first, forms in _BASE.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise yaml.YAMLError("A key is there twice.")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML, or is not a mapping.
    """
    path = Path(path)
    try:
        content = _plain(path.read_text(encoding="utf-8")) or _resolved(path)
    except FileNotFoundError:
        raise ConfigError(
            f"No configuration file {path}.", "Give the path of a .yaml file."
        ) from None
    except Exception as error:  # yaml and omegaconf raise families of their own
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"{path} is not a readable YAML file: {reason}.", "Mend the file."
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds no keys.", "A configuration is a mapping such as `seed: 1`."
        )
    return typing.cast("dict[str, Any]", content)


def _plain(text: str) -> Any:
    """Return the mapping in YAML that needs no OmegaConf, else None: its import takes a while."""
    if any(special in text for special in (*_SPECIAL, "&", "*", "<<", "!", ".inf", ".nan")):
        return None
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError:
        return None  # OmegaConf says what is wrong
    return content if isinstance(content, dict) else None


def _resolved(path: Path) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.load(path), resolve=True)


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return ``["a.b=1"]`` as ``{"a": {"b": 1}}``; values are YAML.

    Raises:
        ConfigError: an override has no ``=`` or its value is not YAML.
    """
    from omegaconf import OmegaConf

    for override in overrides:
        if "=" not in override or override.startswith("="):
            raise ConfigError(
                f"The override {override!r} is not of the form key=value.",
                "Example: trainer.max_epochs=20",
            )
    try:
        return typing.cast(
            "dict[str, Any]", OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides)))
        )
    except Exception as error:  # yaml and omegaconf raise families of their own
        raise ConfigError(
            f"These overrides cannot be read: {' '.join(overrides)} ({error}).", "Quote the values."
        ) from error


def build_config(schema: type[C], *layers: dict[str, Any], where: str = "the configuration") -> C:
    """Return an instance of the dataclass ``schema`` filled from ``layers``, later ones over
    earlier ones.

    Args:
        schema: a dataclass; nested dataclasses are sections.
        layers: nested mappings.
        where: name of the source in errors.

    Raises:
        ConfigError: an unknown key (the nearest known one is named), a value of the wrong type, or
            one that the dataclass itself refuses in ``__post_init__``.
    """
    config = _directly(schema, layers)
    if config is not None:
        return config
    return _merged(schema, layers, where)


def _directly(schema: type[C], layers: Sequence[dict[str, Any]]) -> C | None:
    """Return the dataclass where every value has the very type of its field, None elsewhere: what
    has to be converted, merged or refused is OmegaConf's, whose import takes a while.
    """
    hints, values = typing.get_type_hints(schema), dict[str, Any]()
    for layer in layers:
        for key, value in layer.items():
            hint = hints.get(key)
            if hint is float and type(value) is int:
                value = float(value)
            if value == {} and typing.get_origin(hint) is dict:
                values.setdefault(key, {})
            elif hint in (bool, int, float, str) and type(value) is hint and not _special(value):
                values[key] = value
            else:
                return None
    return schema(**values)


def _special(value: object) -> bool:
    return isinstance(value, str) and any(mark in value for mark in _SPECIAL)


def _merged(schema: type[C], layers: Sequence[dict[str, Any]], where: str) -> C:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        config = OmegaConf.structured(schema)
        OmegaConf.set_readonly(config, False)
        for layer in layers:
            _check_keys(schema, layer, where)
            config = OmegaConf.unsafe_merge(config, _unfrozen(layer))
        return typing.cast("C", OmegaConf.to_object(config))
    except ConfigError:
        raise
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "?"
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{where}: {key}: {reason}.", "Give a value of the type that the key has."
        ) from error


def _unfrozen(layer: dict[str, Any]) -> Any:
    from omegaconf import OmegaConf

    config = OmegaConf.create(layer)
    OmegaConf.set_readonly(config, False)  # a frozen dataclass inside a layer would make it so
    return config


def load_config(schema: type[C], path: str | Path, overrides: Sequence[str] = ()) -> C:
    """Return ``schema`` filled from a YAML file and overrides; see :func:`build_config`.

    Args:
        schema: a dataclass.
        path: of the YAML file.
        overrides: ``key=value``.
    """
    return build_config(schema, read_yaml(path), parse_overrides(overrides), where=str(path))


def _check_keys(schema: Any, layer: dict[str, Any], where: str, prefix: str = "") -> None:
    """Raise ConfigError at the first unknown key, and where a section is a plain value."""
    hints = typing.get_type_hints(schema)
    known = [field.name for field in dataclasses.fields(schema)]
    for key, value in layer.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            names = ", ".join(known)
            remedy = f"Did you mean {prefix}{near[0]}?" if near else f"Known keys here: {names}."
            raise ConfigError(f"{where}: unknown key {prefix}{key}.", remedy)
        section = hints[key]
        if dataclasses.is_dataclass(section):
            if not isinstance(value, dict):
                raise ConfigError(
                    f"{where}: {prefix}{key} is a section, not {value!r}.",
                    "Write its keys below it.",
                )
            _check_keys(section, value, where, f"{prefix}{key}.")


def as_dict(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain nested mappings."""
    return dataclasses.asdict(config)


def yaml_text(content: dict[str, Any]) -> str:
    """Return nested mappings as YAML text."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(content))


def config_yaml(config: Any) -> str:
    """Return a config dataclass as YAML text."""
    return yaml_text(as_dict(config))


def save_config(config: Any, path: str | Path) -> None:
    """Write a config dataclass as YAML that :func:`load_config` reads back to an equal one."""
    atomic_write_text(path, config_yaml(config))


def check_choice(key: str, value: str, choices: Sequence[str]) -> None:
    """Raise :class:`ConfigError` unless ``value`` is one of ``choices``.

    For ``__post_init__`` of configurations.
    """
    if value not in choices:
        raise ConfigError(
            f"{key} is {value!r}, which is unknown.", f"Choose one of: {', '.join(choices)}."
        )


def check_files(data: object, keys: Iterable[str], example: str) -> None:
    """Raise :class:`ConfigError` where a key of the section ``data`` names no file.

    Args:
        data: the section.
        keys: of it, each the path of a file.
        example: what the remedy shows as the value.
    """
    for key in keys:
        if not getattr(data, key):
            raise ConfigError(f"data.{key} names no file.", f"Give data.{key}={example}.")


def check_range(key: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise :class:`ConfigError` unless ``low`` <= ``value`` <= ``high``.

    For ``__post_init__`` of configurations.
    """
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        raise ConfigError(f"{key} is {value:g}, but must be {bounds}.", "Change the value.")
