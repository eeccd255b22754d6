"""Compiled inner loops: machine code that runs without the interpreter lock (GIL).

``kernel`` decorates a function of numbers and numpy arrays. What the decoder needs at every start
is compiled ahead of time: ``compiled/kernels.bc.xz`` holds LLVM's intermediate code, which does not
depend on the processor, and ``compiled/kernels.json`` says what is in it and of which source files
it was made (tools/compile_kernels.py). On the first start on a machine it becomes machine code for
that processor, in a second and without numba (library.py). Everything else, and everything whose
source has changed, is compiled by numba when it is first called, and cached (jit.py).
"""

from asr.kernels.kernel import FAST, kernel
from asr.kernels.library import prepare

__all__ = ["FAST", "kernel", "prepare"]
