"""Functions that were compiled ahead of time, as machine code for this processor.

They are stored as LLVM's intermediate code. LLVM (llvmlite, which numba brings) turns it into
machine code once, for the processor at hand, and that is kept in the user's cache folder. numba
itself, whose import and compiler take most of the time of a first start, is not needed.

Where it does not fit, nothing is said and numba compiles: a source file has changed since, an
argument is of a type that was not foreseen, LLVM is older than the one that wrote the code, or this
is not Linux on x86-64. LLVM makes code for other systems too, but nobody has run it there yet.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import lzma
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from asr.cache_folder import cache_folder
from asr.kernels.arguments import flatten, unpack

__all__ = ["CALLED", "CODE", "INDEX", "Entry", "find", "prepare", "sources_digest"]

PACKAGE = Path(__file__).parent.parent
INDEX = Path(__file__).parent / "compiled" / "kernels.json"
CODE = INDEX.with_name("kernels.bc.xz")
CALLED = ("exp", "exp2", "expf", "log", "logf", "log1p", "pow", "memset", "memcpy", "memmove")
"""What the code may call: functions of the C library."""
_LOCK = Lock()  # one engine is enough


class Entry:
    """A function of the library.

    Args:
        versions: types of the arguments -> symbol of the code, and kinds of the result.
    """

    def __init__(self, versions: Mapping[str, tuple[str, str]]) -> None:
        self._versions, self._functions = versions, dict[str, Any]()

    def __call__(self, arguments: Sequence[Any]) -> tuple[bool, Any]:
        """Return whether there is code for such arguments, and its result."""
        slots: list[int] = []
        types = flatten(arguments, slots)
        if types not in self._versions:
            return False, None
        symbol, kinds = self._versions[types]
        function = self._functions.get(types) or _function(symbol)
        if function is None:
            return False, None
        self._functions[types] = function
        result = len(kinds.strip("()"))
        memory = (ctypes.c_int64 * (result + len(slots)))(*[0] * result, *slots)
        function(memory)
        return True, unpack(kinds, memory[:result])


def find(name: str) -> Entry | None:
    """Return a function by its module and name, None where the library does not have it."""
    module = name.rpartition(".")[0]
    contents = _index().get(module)
    if contents is None or name not in contents["functions"]:
        return None
    return Entry(contents["functions"][name]) if _is_current(module) else None


def prepare() -> None:
    """Have the machine code made or read by another thread: half a second of a first start, in
    which other things can be opened.
    """
    if _index() and not _engine.cache_info().currsize and not _LOCK.locked():
        Thread(target=_locked_engine, name="asr-kernels").start()


def sources_digest(files: Sequence[str]) -> str:
    """Return a digest of source files, named by their paths in the package.

    Raises:
        OSError: a file is missing.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\n".encode())
        digest.update(PACKAGE.joinpath(file).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


@cache
def _index() -> dict[str, dict[str, Any]]:
    if os.environ.get("NUMBA_DISABLE_JIT") == "1" or not _is_known_platform():
        return {}
    with contextlib.suppress(OSError, ValueError):
        index: dict[str, dict[str, Any]] = json.loads(INDEX.read_text(encoding="utf-8"))
        return index
    return {}


def _is_known_platform() -> bool:
    """Return whether the code has been tried here: LLVM ends the process where it does not fit."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


@cache
def _is_current(module: str) -> bool:
    """Return whether the sources of a module's kernels are those that were compiled."""
    contents = _index()[module]
    with contextlib.suppress(OSError):
        return bool(sources_digest(contents["sources"]) == contents["digest"])
    return False


def _function(symbol: str) -> Any:
    """Return a function by its symbol, None where the code cannot be used."""
    engine = _locked_engine()
    if engine is None:
        return None
    function: Any = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address(symbol))
    function.owner = engine  # the code lives as long as the engine
    return function


def _locked_engine() -> Any:
    with _LOCK:
        return _engine()


@cache
def _engine() -> Any:
    """Return LLVM's engine with the library in it, for ever; None where it cannot be used."""
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = _target_machine(llvm)
        if not all(hasattr(ctypes.CDLL(None), name) for name in CALLED):
            return None  # LLVM would end the process
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        code = _machine_code(llvm, machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    except (ImportError, OSError, RuntimeError, ValueError, lzma.LZMAError):
        return None  # numba compiles
    return engine


def _target_machine(llvm: Any) -> Any:
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        jit=True,
        codemodel="jitdefault",
    )


def _machine_code(llvm: Any, machine: Any) -> bytes:
    """Return the machine code for this processor, from the cache or made now."""
    packed = CODE.read_bytes()
    path = _cached_code(llvm, packed)
    if path is not None:
        with contextlib.suppress(OSError):
            return _checked(path.read_bytes())
    module = llvm.parse_bitcode(lzma.decompress(packed))
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    code: bytes = machine.emit_object(module)
    if path is not None:
        with contextlib.suppress(OSError):
            _write(path, hashlib.sha256(code).digest() + code)
    return code


def _cached_code(llvm: Any, packed: bytes) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    features = llvm.get_host_cpu_features().flatten()
    processor = f"{llvm.get_default_triple()} {llvm.get_host_cpu_name()} {features}"
    digest = hashlib.sha256(packed + f"{processor} {llvm.llvm_version_info}".encode())
    return folder / "kernels" / f"{digest.hexdigest()[:32]}.o"


def _checked(content: bytes) -> bytes:
    """Return the machine code of a cached file.

    Raises:
        OSError: the file is cut off or damaged.
    """
    digest, code = content[:32], content[32:]
    if hashlib.sha256(code).digest() != digest:
        raise OSError("The cached machine code is damaged.")
    return code


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
