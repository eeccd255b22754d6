"""Normalise English: contractions, spellings, titles, fillers and numbers.

Similar to Whisper's English normaliser (Radford et al. 2022, appendix C), with rules of its own: a
possessive keeps its "'s", and digits spoken one by one stay single ("one two" -> "1 2", never
"12").
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from asr.text.symbols import amounts, speak_forms, speak_symbols

__all__ = ["english", "spell_numbers"]

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_UNITS += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = [
    "zero",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * n for n, word in enumerate(_TENS) if n > 1
}
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
}
_IRREGULAR |= {"twelve": "twelfth"}


def _ordinal_word(word: str) -> str:
    return _IRREGULAR.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")


_ORDINALS = {_ordinal_word(word): word for word in [*_SMALL, "hundred", *_SCALES]}
_NOT_AFTER_YEAR = {"hundred", "hundredth", *_SCALES}


# --------------------------------------------------------------------------------------------------
# digits to words


def spell_numbers(text: str) -> str:
    """Return lower-case ``text`` with numbers as English words, without "and" and hyphens.

    Example:
        >>> spell_numbers("the 21st of 1,050.5")
        'the twenty first of one thousand fifty point five'
    """
    if not re.search(r"\d", text):
        return text
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda match: f" {_spell_ordinal(match[1])} ", text)
    text = re.sub(
        r"(?<=\d)\.(\d+)",
        lambda match: " point " + " ".join(_UNITS[int(d)] for d in match[1]),
        text,
    )
    return re.sub(r"\d+", lambda match: f" {_spell_cardinal(match[0])} ", text)


def _spell_cardinal(digits: str) -> str:
    if len(digits) > 15 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_UNITS[int(digit)] for digit in digits)  # a telephone or serial number
    return " ".join(_cardinal_words(int(digits))) or "zero"


def _cardinal_words(value: int) -> list[str]:
    for name, scale in [*reversed(_SCALES.items()), ("hundred", 100)]:
        if value >= scale:
            return [*_cardinal_words(value // scale), name, *_cardinal_words(value % scale)]
    if value < 20:
        return [_UNITS[value]] if value else []
    return [_TENS[value // 10], *_cardinal_words(value % 10)]


def _spell_ordinal(digits: str) -> str:
    *head, last = _spell_cardinal(digits).split()
    return " ".join([*head, _ordinal_word(last)])


# --------------------------------------------------------------------------------------------------
# words to digits


class _NumberReader:
    """Reads numbers from a list of words; `read` returns the digits and the number of words."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def word(self, place: int) -> str:
        return self.words[place] if place < len(self.words) else ""

    def read(self, start: int) -> tuple[str, int] | None:
        year = self._year(start)
        if year is not None:
            return year
        value, place = self._digits_or_words(start)
        if place == start:
            return None
        value, place, ordinal = self._groups(value, place)
        if not ordinal and self.word(place - 1) in _ORDINALS:
            ordinal = True
        if ordinal:
            return _with_suffix(int(value)), place - start
        return self._fraction(value, place, start)

    def _below_hundred(self, place: int) -> tuple[int, int]:
        """Return the value of "twenty", "twenty one", "twenty first", "five", and the next place.

        The place stays the same if there is no number.
        """
        word = self.word(place)
        if word in _ORDINALS and _ORDINALS[word] in _SMALL:
            return _SMALL[_ORDINALS[word]], place + 1
        if word not in _SMALL:
            return 0, place
        value, following = _SMALL[word], self.word(place + 1)
        unit = _SMALL.get(_ORDINALS.get(following, following), 0)
        if value >= 20 and 0 < unit < 10:
            return value + unit, place + 2
        return value, place + 1

    def _below_thousand(self, place: int) -> tuple[int, int]:
        value, after = self._below_hundred(place)
        if after == place or self.word(after - 1) in _ORDINALS:
            return value, after
        if not 0 < value < 100 or self.word(after) not in ("hundred", "hundredth"):
            return value, after
        value, after = value * 100, after + 1
        if self.word(after - 1) == "hundredth":
            return value, after
        rest, end = self._after_and(after)
        return (value + rest, end) if end > after else (value, after)

    def _after_and(self, place: int) -> tuple[int, int]:
        start = place + (self.word(place) == "and")
        rest, end = self._below_hundred(start)
        return (rest, end) if end > start and rest else (0, place)

    def _digits_or_words(self, place: int) -> tuple[Decimal, int]:
        if re.fullmatch(r"\d+(\.\d+)?", self.word(place)) and self.word(place + 1) in _SCALES:
            return Decimal(self.word(place)), place + 1
        value, after = self._below_thousand(place)
        return Decimal(value), after

    def _groups(self, first: Decimal, place: int) -> tuple[Decimal, int, bool]:
        """Multiply by the scales that follow, and add the smaller groups behind each.

        As in "two million five thousand six".
        """
        total, group, limit = Decimal(0), first, 10**15
        while True:
            scale_word = self.word(place)
            if self.word(place - 1) in _ORDINALS:
                return total + group, place, True
            scale = _SCALES.get(_ORDINALS.get(scale_word, scale_word), 0)
            if not 0 < scale < limit or not group:
                return total + group, place, False
            total, group, place, limit = total + group * scale, Decimal(0), place + 1, scale
            if scale_word in _ORDINALS:
                return total, place, True
            value, after = self._below_thousand(place + (self.word(place) == "and"))
            if after > place + 1 or (after == place + 1 and self.word(place) != "and"):
                group, place = Decimal(value), after

    def _fraction(self, value: Decimal, place: int, start: int) -> tuple[str, int]:
        digits = ""
        if self.word(place) == "point":
            while _SMALL.get(self.word(place + 1 + len(digits)), 10) < 10:
                digits += str(_SMALL[self.word(place + 1 + len(digits))])
        if not digits:
            return f"{value.normalize():f}", place - start
        place += 1 + len(digits)
        scale = _SCALES.get(self.word(place), 0)
        if scale:
            return f"{(Decimal(f'{value}.{digits}') * scale).normalize():f}", place + 1 - start
        return f"{value}.{digits}", place - start

    def _year(self, start: int) -> tuple[str, int] | None:
        """Read a year: a century from 17 to 20 and two digits, as in "nineteen eighty four"."""
        century = _SMALL.get(self.word(start), 0)
        if not 17 <= century <= 20:
            return None
        if self.word(start + 1) in ("oh", "o") and 0 < _SMALL.get(self.word(start + 2), 0) < 10:
            return f"{century}0{_SMALL[self.word(start + 2)]}", 3
        value, after = self._below_hundred(start + 1)
        usual = value >= 10 and self.word(after - 1) not in _ORDINALS
        if not usual or self.word(after) in _NOT_AFTER_YEAR:
            return None
        return f"{century}{value}", after - start


def _with_suffix(value: int) -> str:
    suffix = (
        "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    )
    return f"{value}{suffix}"


def _numbers_to_digits(words: list[str]) -> list[str]:
    reader, out, place = _NumberReader(words), [], 0
    while place < len(words):
        number = reader.read(place)
        if number is None or words[place] == "second":  # "wait a second" is more common than "2nd"
            out.append(words[place])
            place += 1
        else:
            out.append(number[0])
            place += number[1]
    return out


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
    text = _open_words(text)
    text = speak_symbols(text)
    # The decimal point must survive the removal of punctuation.
    text = re.sub(r"(?<=\d)\.(?=\d)", "\0", text)
    text = re.sub(r"[^\w\s'\0]|_", " ", text)
    text = re.sub(r"(?<!\w)'+|'+(?!\w)", " ", text).replace("\0", ".")
    for pattern, replacement in _SPELLING_RULES:
        text = re.sub(pattern, replacement, text)
    digits = _numbers_to_digits([_SPELLINGS.get(word, word) for word in text.split()])
    return amounts(" ".join(digits))


def _plain_letters(text: str) -> str:
    text = unicodedata.normalize("NFKD", re.sub("[’‘ʼ′´`＇]", "'", speak_forms(text)))
    return "".join(char for char in text if not unicodedata.combining(char)).lower()


def _open_words(text: str) -> str:
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"\b(\w+)\.(?=\s|$)", lambda match: _DOTTED.get(match[1], match[1]) + " ", text)
    return re.sub(r"\b\w+\b", lambda match: _TITLES.get(match[0], match[0]), text)
