"""pyctcdecode's interface on this toolkit's search: change the import, keep the rest.

    from asr.decoding.compat import build_ctcdecoder      # was: from pyctcdecode import ...

Names, defaults and result fields are those of pyctcdecode 0.5; docs/how-to/any-ctc-model.md lists
what differs. Packages that import pyctcdecode themselves, such as ``transformers``, find this one
after :func:`install`.
"""

from __future__ import annotations

import sys

from asr.decoding.compat import alphabet, constants, decoder, language_model
from asr.decoding.compat.alphabet import Alphabet
from asr.decoding.compat.decoder import BeamSearchDecoderCTC, build_ctcdecoder
from asr.decoding.compat.language_model import LanguageModel

__all__ = ["Alphabet", "BeamSearchDecoderCTC", "LanguageModel", "build_ctcdecoder", "install"]


def install() -> None:
    """Let ``import pyctcdecode`` find this package, in this process; call it before transformers
    is imported.
    """
    sys.modules["pyctcdecode"] = sys.modules[__name__]
    for module in (alphabet, constants, decoder, language_model):
        sys.modules[f"pyctcdecode.{module.__name__.rpartition('.')[2]}"] = module
