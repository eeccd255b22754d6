"""Signs at numbers as English words: currencies, minus, degrees, fractions, powers.

So that -5 is not 5, $1 is one dollar, and 5² is not 52.
"""

from __future__ import annotations

import re

__all__ = ["CURRENCIES", "SYMBOLS", "amounts", "speak_forms", "speak_symbols"]

CURRENCIES = {  # symbol -> one of it, several
    "$": ("dollar", "dollars"),
    "€": ("euro", "euros"),
    "£": ("pound", "pounds"),
    "¥": ("yen", "yen"),
    "₹": ("rupee", "rupees"),
    "₩": ("won", "won"),
    "₽": ("ruble", "rubles"),
    "₺": ("lira", "liras"),
    "₪": ("shekel", "shekels"),
    "₱": ("peso", "pesos"),
    "¢": ("cent", "cents"),
}
_SIGNS = "".join(CURRENCIES)
_AMOUNT = r"(\d+(?:\.\d+)?|\.\d+)"
_SCALE = r"((?: (?:thousand|million|billion|trillion)\b)?)"
_BEFORE = re.compile(rf"([{_SIGNS}])\s?{_AMOUNT}{_SCALE}")
_BEHIND = re.compile(rf"(?<![\w.]){_AMOUNT}{_SCALE}\s?([{_SIGNS}])")
_WHOLE = {  # currency -> its hundredth part
    "dollar": "cent",
    "euro": "cent",
    "pound": "penn(?:y|ie)|pence|cent",
}
SYMBOLS = [
    (r"(?<![\w.)])[-−](?=\.?\d)", " minus "),
    (r"\+(?=\.?\d)", " plus "),
    (r"#(?=\d)", " number "),
    (r"°\s?c\b", " degrees celsius "),
    (r"°\s?f\b", " degrees fahrenheit "),
    ("°", " degrees "),
    ("%", " percent "),
    ("&", " and "),
    ("@", " at "),
]
# Compatibility forms would make 5² equal to 52, and 2½ to 21 2.
_TYPOGRAPHY = str.maketrans(
    {
        "²": " squared ",
        "³": " cubed ",
        "¼": " one quarter ",
        "½": " one half ",
        "¾": " three quarters ",
        "⅓": " one third ",
        "⅔": " two thirds ",
    }
)


def speak_forms(text: str) -> str:
    """Return the text with fractions and powers that are one character as words: 2½, 5²."""
    if text.isascii():
        return text
    text = re.sub(r"(?<=\d)(?=[¼½¾⅓⅔])", " and ", text)
    return text.translate(_TYPOGRAPHY)


def speak_symbols(text: str) -> str:
    """Return lower-case ``text`` with signs at numbers as words: $1, -5, .5, 5€, 20 °C.

    Example:
        >>> " ".join(speak_symbols("$1 at -5 or .25").split())
        '1 dollar at minus 5 or point 2 5'
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(rf"([-−])([{_SIGNS}])|([{_SIGNS}])([-−])", r"\1\4\2\3", text)  # $-5 as -$5
    text = re.sub(rf"(?<![\w.)])[-−](?=[{_SIGNS}])", " minus ", text)
    text = _BEFORE.sub(lambda match: _amount(match[2], match[3], match[1]), text)
    text = _BEHIND.sub(lambda match: _amount(match[1], match[2], match[3]), text)
    for pattern, words in SYMBOLS:
        text = re.sub(pattern, words, text)
    return re.sub(r"(?<![\w.])\.(\d+)", lambda match: " point " + " ".join(match[1]), text)


def _amount(number: str, scale: str, sign: str) -> str:
    one, several = CURRENCIES[sign]
    whole, _, part = number.partition(".")
    if not scale and len(part) == 2 and one in _WHOLE and one != "pound":
        if not int(whole or "0"):
            return f" {int(part)} {'cent' if int(part) == 1 else 'cents'} "
        if part == "00":
            number = whole
    return f" {number}{scale} {one if number == '1' and not scale else several} "


def amounts(text: str) -> str:
    """Return the text with 4 dollars and 85 cents as 4.85 dollars, and negative 5 as minus 5."""
    for whole, part in _WHOLE.items():
        text = re.sub(
            rf"\b(\d+) {whole}s?(?: and)? (\d\d?) (?:{part})s?\b",
            lambda match, whole=whole: f"{match[1]}.{match[2]:>02} {whole}s",  # type: ignore[misc]
            text,
        )
    return re.sub(r"\bnegative (?=\d|point \d)", "minus ", text)
