"""Compile the kernels that people wait for ahead of time: asr/kernels/compiled/.

    python tools/compile_kernels.py [--check]

Transcribes and aligns a made sound with the models that come with the project, notes which kernels
are called with which types, compiles these for any processor, and writes LLVM's intermediate code
and an index of it. To be run whenever one of these kernels has changed; --check (`make lint`) says
whether it has to be. Takes minutes.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

ANY_PROCESSOR = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
MODELS = ("en", "en-streaming", "zh", "an4")
WRAPPER = """
define void @{symbol}(ptr %slots) {{
  %error = alloca ptr
{loads}
  %status = call i32 @{function}(ptr %slots, ptr %error{arguments})
  ret void
}}
"""


class Recorder:
    """Notes the kernels that are called from Python, with the types of their arguments."""

    def __init__(self) -> None:
        self.calls: dict[Any, dict[str, Any]] = defaultdict(dict)

    def install(self) -> None:
        """Take the place of the calls of all kernels."""
        from numba import typeof
        from numba.core.caching import NullCache

        from asr.kernels import jit
        from asr.kernels.arguments import flatten
        from asr.kernels.kernel import Kernel

        jit._LazyCache = lambda function: NullCache()  # type: ignore[assignment,misc]

        def call(kernel: Any, *arguments: Any) -> Any:
            types = flatten(arguments, [])
            if "?" not in types and types not in self.calls[kernel]:
                self.calls[kernel][types] = tuple(map(typeof, arguments))
            return kernel.dispatcher(*arguments)

        Kernel.__call__ = call  # type: ignore[method-assign]


def use_models() -> None:
    """Use the models that come with the project as people do, twice: then caches are read.

    English ones get a new word, whose sounds are asked for.
    """
    import asr
    from asr.audio.synthetic import made_audio
    from asr.speech.streaming import StreamingRecognizer

    for name in (*MODELS, *MODELS):
        new_words = ["Wexlify"] if name.startswith("en") else []
        model = asr.load_model(name, new_words=new_words)
        samples = made_audio(3.0, model.sample_rate)
        model.transcribe(samples, model.sample_rate)
        model.align(samples, "a" if name != "zh" else "一", model.sample_rate)
        if model.acoustics.streams:
            stream = StreamingRecognizer(model).stream()
            stream.push(samples)
            stream.finish()
        print(f"{name}: used", flush=True)


def main() -> None:
    """Compile, or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    if parser.parse_args().check:
        check()
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(ANY_PROCESSOR, ASR_CACHE_DIR=folder)
        recorder = Recorder()
        recorder.install()
        use_models()
        write(recorder)


def check() -> None:
    """Exit with status 1 where a source file has changed since the kernels were compiled."""
    from asr.kernels.library import INDEX, sources_digest

    index = json.loads(INDEX.read_text(encoding="utf-8"))
    stale = [
        name for name, part in index.items() if sources_digest(part["sources"]) != part["digest"]
    ]
    if stale:
        names = ", ".join(stale)
        sys.exit(f"Changed since they were compiled: {names}. Run tools/compile_kernels.py")


def write(recorder: Recorder) -> None:
    """Compile all that was recorded; write the code and its index."""
    from asr.kernels.library import CODE, INDEX

    index: dict[str, Any] = {}
    modules = []
    for number, (kernel, versions) in enumerate(recorder.calls.items()):
        for version, (types, signature) in enumerate(versions.items()):
            symbol = f"asr_kernel_{number}_{version}"
            code, kinds = compiled(kernel, signature, symbol)
            if code is None:
                print(f"left out: {kernel.__module__}.{kernel.__qualname__}: {kinds}")
                continue
            modules.append(code)
            part = index.setdefault(kernel.__module__, contents_of(kernel.__module__))
            name = f"{kernel.__module__}.{kernel.__qualname__}"
            part["functions"].setdefault(name, {})[types] = [symbol, kinds]
    CODE.parent.mkdir(exist_ok=True)
    CODE.write_bytes(lzma.compress(linked(modules), preset=9))
    INDEX.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(modules)} functions, {CODE.stat().st_size} bytes")


def contents_of(module: str) -> dict[str, Any]:
    """Return the entry of a module in the index, without functions."""
    from asr.kernels.library import sources_digest

    files = sorted(sources_of(sys.modules[module]))
    return {"sources": files, "digest": sources_digest(files), "functions": {}}


def sources_of(module: ModuleType) -> set[str]:
    """Return the source files that a module's kernels are made of, by paths in the package."""
    from asr.kernels.kernel import Kernel
    from asr.kernels.library import PACKAGE

    file = Path(str(module.__file__))
    files = file.parent.glob("*.py") if file.parent.name == "kernels" else [file]
    found = {path.relative_to(PACKAGE).as_posix() for path in files}
    for value in vars(module).values():
        if isinstance(value, Kernel) and value.__module__ != module.__name__:
            found |= sources_of(sys.modules[value.__module__])
    return found


def compiled(kernel: Any, signature: Any, symbol: str) -> tuple[str | None, str]:
    """Return a function's code with a wrapper for slots, and the kinds of its result; or None, and
    why it cannot be compiled ahead of time.
    """
    import llvmlite.binding as llvm

    from asr.kernels.library import CALLED

    result = kernel.dispatcher.overloads[signature]
    kinds = kinds_of(result.fndesc.restype)
    if kinds is None:
        return None, f"returns {result.fndesc.restype}"
    code, name = result.library.get_llvm_str(), result.fndesc.llvm_func_name
    function = llvm.parse_assembly(code).get_function(name)
    types = [str(argument.type) for argument in function.arguments]
    code += wrapper(name, symbol, types, len(kinds.strip("()")))
    odd = outside(linked([code])).difference(CALLED)
    return (None, f"calls {sorted(odd)}") if odd else (code, kinds)


def outside(bitcode: bytes) -> set[str]:
    """Return the functions that a module calls and does not have, without LLVM's own."""
    import llvmlite.binding as llvm

    functions = llvm.parse_bitcode(bitcode).functions
    return {f.name for f in functions if f.is_declaration and not f.name.startswith("llvm.")}


def kinds_of(result: Any) -> str | None:
    """Return the kinds of a result, see asr.kernels.arguments.unpack; None for any other."""
    from numba import types

    names = {types.int64: "i", types.uint64: "u", types.float64: "f", types.boolean: "b"}
    if result is types.none:
        return ""
    if isinstance(result, types.BaseTuple):
        kinds = [names.get(kind) for kind in result]
        return None if None in kinds else f"({''.join(map(str, kinds))})"
    return names.get(result)


def wrapper(function: str, symbol: str, types: list[str], results: int) -> str:
    """Return a function in LLVM's language that takes slots and calls ``function`` with them."""
    loads, arguments = [], []
    for number, kind in enumerate(types[2:]):
        loads.append(f"  %p{number} = getelementptr i64, ptr %slots, i64 {results + number}")
        loads.append(f"  %s{number} = load i64, ptr %p{number}")
        loads.append(f"  %a{number} = {converted(kind, f'%s{number}')}")
        arguments.append(f", {kind} %a{number}")
    body = {"loads": "\n".join(loads), "arguments": "".join(arguments)}
    return WRAPPER.format(function=f'"{function}"', symbol=symbol, **body)


def converted(kind: str, slot: str) -> str:
    """Return the expression that makes a value of an LLVM type of a slot."""
    if kind == "ptr":
        return f"inttoptr i64 {slot} to ptr"
    if kind == "i64":
        return f"add i64 {slot}, 0"
    return f"bitcast i64 {slot} to double" if kind == "double" else f"trunc i64 {slot} to {kind}"


def linked(codes: list[str]) -> bytes:
    """Return one module of all, in which only the wrappers can be seen, optimised."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(codes[0])
    for code in codes[1:]:
        module.link_in(llvm.parse_assembly(code))
    for function in module.functions:
        if not function.is_declaration and not function.name.startswith("asr_kernel_"):
            function.linkage = "internal"
    for variable in module.global_variables:
        variable.linkage = "internal" if variable.linkage.name != "common" else variable.linkage
    machine = llvm.Target.from_default_triple().create_target_machine(cpu="generic", opt=2)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    module.verify()
    return bytes(module.as_bitcode())


if __name__ == "__main__":
    main()
