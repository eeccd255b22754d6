"""Normalise English: contractions, spellings, titles, fillers and numbers.

Similar to Whisper's English normaliser (Radford et al. 2022, appendix C), with rules of its own: a
possessive keeps its "'s", two digits spoken one by one stay single ("one two" -> "1 2", never
"12"), and dates, times, amounts and spelled letters are alike in words and as people write them:
both are read by :mod:`asr.text.quantities`.
"""

from __future__ import annotations

import re
import unicodedata

from asr.text.quantities import readings
from asr.text.symbols import amounts, speak_forms, speak_symbols

__all__ = ["english"]


def _numbers_to_figures(words: list[str]) -> list[str]:
    figures, place = [], 0
    for reading in readings(words):
        figures += [*words[place : reading.start], reading.plain]
        place = reading.stop
    return figures + words[place:]


# --------------------------------------------------------------------------------------------------
# words and spellings

_FILLERS = r"\b(?:h+m+|m+h+m+|m{2,}|u+h+|u+m+|e+r+m+|a+h+)\b"
_CONTRACTIONS = [
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\bcannot\b", "can not"),
    (r"\bshan't\b", "shall not"),
    (r"\bain't\b", "is not"),
    (r"n't\b", " not"),
    (r"\blet's\b", "let us"),
    (
        r"\b(it|he|she|that|what|who|where|there|here|how|when|why)'s (been|got|had|gone|done)\b",
        r"\1 has \2",
    ),
    (r"\b(it|he|she|that|what|who|where|there|here|how|when|why)'s\b", r"\1 is"),
    (r"\b(\w+)'d (been|better|had|gone|done)\b", r"\1 had \2"),
    (r"\b(i|you|he|she|it|we|they|who|there|that)'d\b", r"\1 would"),
    (r"\bi'm\b", "i am"),
    (r"\b(\w+)'re\b", r"\1 are"),
    (r"\b(\w+)'ve\b", r"\1 have"),
    (r"\b(\w+)'ll\b", r"\1 will"),
    (r"\by'all\b", "you all"),
    (r"\bma'am\b", "madam"),
    (r"\bc'mon\b", "come on"),
    (r"\bo'clock\b", "oclock"),
    (r"\b'(?:cause|cos)\b", "because"),
    (r"\bgonna\b", "going to"),
    (r"\bwanna\b", "want to"),
    (r"\bgotta\b", "got to"),
    (r"\bgimme\b", "give me"),
    (r"\blemme\b", "let me"),
    (r"\bo\.?k\.?(?!\w)", "okay"),
    (r"\bper cent\b", "percent"),
    (r"\ball right\b", "alright"),
]
_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "prof": "professor",
    "jr": "junior",
    "vs": "versus",
}
# Abbreviations that are also words or names: they are expanded only with their full stop.
_DOTTED = {
    "capt": "captain",
    "gen": "general",
    "gov": "governor",
    "sen": "senator",
    "lt": "lieutenant",
}
_DOTTED |= {
    "col": "colonel",
    "sgt": "sergeant",
    "rev": "reverend",
    "sr": "senior",
    "st": "saint",
    "etc": "et cetera",
}

_OUR = (
    "arb ard arm behavi cand cl col demean enam endeav fav ferv flav glam harb hon hum lab "
    "neighb od parl ranc"
)
_OUR += " rig rum sav splend tum val vap vig"
_IZE = (
    "agon analog apolog author capital categor central character civil colon critic crystall "
    "dramat econom"
)
_IZE += (
    " emphas equal familiar fertil final general harmon hospital human ideal immun industrial "
    "jeopard legal"
)
_IZE += (
    " local material maxim mechan memor minim mobil modern monopol national neutral normal "
    "optim organ penal"
)
_IZE += (
    " popular priorit public real recogn reorgan sensit social special stabil standard steril "
    "subsid summar"
)
_IZE += " symbol sympath synchron terror util vandal visual"
_DOUBLE = (
    "cancel channel counsel dial equal fuel jewel label level marvel model panel pencil "
    "quarrel rival shovel"
)
_DOUBLE += " signal spiral total travel tunnel"
_SPELLING_RULES = [
    # Stems such as "arm" and "hum" are safe: the rule rewrites only "armour" and "humour".
    (
        rf"\b((?:dis|un|mis)?(?:{'|'.join(_OUR.split())}))our"
        r"(?=(?:s|ed|ing|er|ers|able|ably|ful|ite|ites|less|hood|ly)?\b)",
        r"\1or",
    ),
    (
        rf"\b((?:re|un|dis|de|over)?(?:{'|'.join(_IZE.split())}))is(?=(?:e|es|ed|er|ers|ing|ation|ations)\b)",
        r"\1iz",
    ),
    (rf"\b((?:{'|'.join(_DOUBLE.split())}))l(?=(?:ed|ing|er|ers|or|ors|ous)\b)", r"\1"),
    (r"\b((?:ana|para|cata|electro|hydro)ly)s(?=(?:e|es|ed|er|ers|ing)\b)", r"\1z"),
    (
        r"\b(cent|theat|lit|fib|calib|lust|met|kilomet|centimet|millimet|spect|meag|sab|sepulch|somb)re(?=s?\b)",
        r"\1er",
    ),
    (r"\b(catal|dial|anal|monol|prol)ogue(?=s?\b)", r"\1og"),
    (r"\b(def|off|lic|pret)ence(?=s?\b)", r"\1ense"),
]
_SPELLINGS = {
    "aeroplane": "airplane",
    "aeroplanes": "airplanes",
    "ageing": "aging",
    "aluminium": "aluminum",
    "amongst": "among",
    "axe": "ax",
    "burnt": "burned",
    "cheque": "check",
    "cheques": "checks",
    "cosy": "cozy",
    "draught": "draft",
    "draughts": "drafts",
    "dreamt": "dreamed",
    "enrol": "enroll",
    "fulfil": "fulfill",
    "gaol": "jail",
    "gramme": "gram",
    "grammes": "grams",
    "grey": "gray",
    "greyer": "grayer",
    "greyish": "grayish",
    "instalment": "installment",
    "jewellery": "jewelry",
    "judgement": "judgment",
    "kerb": "curb",
    "leapt": "leaped",
    "learnt": "learned",
    "manoeuvre": "maneuver",
    "manoeuvres": "maneuvers",
    "mould": "mold",
    "moulds": "molds",
    "moustache": "mustache",
    "mum": "mom",
    "paediatric": "pediatric",
    "plough": "plow",
    "ploughed": "plowed",
    "ploughs": "plows",
    "practise": "practice",
    "practised": "practiced",
    "practising": "practicing",
    "programme": "program",
    "programmes": "programs",
    "pyjamas": "pajamas",
    "sceptic": "skeptic",
    "sceptical": "skeptical",
    "skilful": "skillful",
    "smoulder": "smolder",
    "spelt": "spelled",
    "spoilt": "spoiled",
    "storey": "story",
    "storeys": "stories",
    "sulphur": "sulfur",
    "tonne": "ton",
    "tonnes": "tons",
    "towards": "toward",
    "traveller": "traveler",
    "travellers": "travelers",
    "tyre": "tire",
    "tyres": "tires",
    "whilst": "while",
    "wilful": "willful",
    "woollen": "woolen",
    "yoghurt": "yogurt",
}
_CLOCK_HALF = r"(?<=\d) ?\b([ap])\.? ?m\b\.?"
_TELEPHONE = r"\b(?:1-)?(?:\d{3}-)?\d{3}-\d{4}\b"


def english(text: str) -> str:
    """Return English text normalised for scoring.

    Lower case, contractions expanded, American spelling, numbers as digits; without fillers, notes
    in brackets and accents. "one thousand", "1,000" and "1 thousand" all become 1000.

    Example:
        >>> english("Mr. O’Neil won't pay twenty-one pounds — uh, for the colour [laughs]")
        "mister o'neil will not pay 21 pounds for the color"
    """
    text = _plain_letters(text)
    text = re.sub(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)", " ", text)
    text = re.sub(_FILLERS, " ", text)
    text = _open_words(re.sub(_CLOCK_HALF, r" \1m ", text))
    text = re.sub(_TELEPHONE, lambda match: match[0].replace("-", ""), text)
    text = speak_symbols(text)
    # The decimal point must survive the removal of punctuation.
    text = re.sub(r"(?<=\d)\.(?=\d)", "\0", text)
    text = re.sub(r"[^\w\s'\0]|_", " ", text)
    text = re.sub(r"(?<!\w)'+|'+(?!\w)", " ", text).replace("\0", ".")
    for pattern, replacement in _SPELLING_RULES:
        text = re.sub(pattern, replacement, text)
    figures = _numbers_to_figures([_SPELLINGS.get(word, word) for word in text.split()])
    return amounts(" ".join(figures))


def _plain_letters(text: str) -> str:
    text = unicodedata.normalize("NFKD", re.sub("[’‘ʼ′´`＇]", "'", speak_forms(text)))
    return "".join(char for char in text if not unicodedata.combining(char)).lower()


def _open_words(text: str) -> str:
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"\b(\w+)\.(?=\s|$)", lambda match: _DOTTED.get(match[1], match[1]) + " ", text)
    return re.sub(r"\b\w+\b", lambda match: _TITLES.get(match[0], match[0]), text)
