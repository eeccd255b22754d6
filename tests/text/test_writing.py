"""Numbers as people write them: hand-written cases, and generated ones with num2words as oracle."""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from asr.text import normalize
from asr.text.numerals import COUNTED, ORDINALS, SCALES, SMALL
from asr.text.quantities import readings
from asr.text.writing import Token, as_tokens, spoken, write_numbers

CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "written_numbers.tsv")
    .read_text(encoding="utf-8")
    .splitlines()
]
# What is known to come out wrong: words -> what is written instead.
WRONG = {
    # A time of day is more common after "after" than a count that begins with its minutes.
    "after seven thirty people left": "after 7 30 people left",
}


def write(text: str, small: int = 10) -> str:
    return " ".join(map(str, write_numbers(as_tokens(text.split()), small=small)))


@pytest.mark.parametrize(("said", "written"), CASES)
def test_written_by_hand(said: str, written: str) -> None:
    assert write(said) == WRONG.get(said, written)
    assert normalize(said, "english") == normalize(write(said), "english")


def test_wrong_ones_are_few_and_listed() -> None:
    wrong = {said for said, written in CASES if write(said) != written}
    assert wrong == set(WRONG)
    assert len(CASES) >= 200
    assert len(wrong) <= 0.02 * len(CASES)


# --------------------------------------------------------------------------------------------------
# generated


def words_of(value: float, to: str = "cardinal") -> str:
    return num2words(value, to=to).replace("-", " ").replace(",", "")


def cardinal(rng: random.Random) -> tuple[str, str]:
    value = rng.randrange(10, 10 ** rng.randint(2, 12))
    if rng.random() < 0.2:
        value = rng.randrange(1, 1000) * 10**6
        return (
            f"there were {words_of(value)} of them",
            f"there were {value // 10**6} million of them",
        )
    return f"there were {words_of(value)} of them", f"there were {value:,} of them"


def ordinal(rng: random.Random) -> tuple[str, str]:
    value = rng.randrange(10, 10 ** rng.randint(2, 6))
    number = num2words(value, to="ordinal_num")
    return f"it was the {words_of(value, 'ordinal')} time", f"it was the {number} time"


def year(rng: random.Random) -> tuple[str, str]:
    value = rng.randrange(1100, 2100)
    return f"in {words_of(value, 'year')} it rained", f"in {value} it rained"


def decimal(rng: random.Random) -> tuple[str, str]:
    value = f"{rng.randrange(0, 200)}.{rng.randrange(1, 10 ** rng.randint(1, 4))}".rstrip("0")
    return f"it is about {words_of(float(value))} of it", f"it is about {float(value)} of it"


def money(rng: random.Random) -> tuple[str, str]:
    dollars, cents = rng.randrange(2, 10 ** rng.randint(1, 5) + 2), rng.choice([0, *range(1, 100)])
    said, written = f"{words_of(dollars)} dollars", f"${dollars:,}"
    if cents:
        said += f" and {words_of(cents)} {'cent' if cents == 1 else 'cents'}"
        written += f".{cents:02}"
    return f"she paid {said} for it", f"she paid {written} for it"


def percent(rng: random.Random) -> tuple[str, str]:
    value: float = rng.randrange(1, 1000)
    if value % 10 and value > 100:
        value /= 10
    return f"about {words_of(value)} percent of us", f"about {value}% of us"


def time_of_day(rng: random.Random) -> tuple[str, str]:
    hour, minute, half = rng.randint(1, 12), rng.randrange(1, 60), rng.choice(["", "a", "p"])
    said = f"{words_of(hour)} {'oh ' if minute < 10 else ''}{words_of(minute)}"
    clock = f"{hour}:{minute:02}"
    return (
        f"at {said} {half and half + ' m '}we left",
        f"at {clock} {half and half + '.m. '}we left",
    )


MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September"]
MONTHS += ["October", "November", "December"]


def date(rng: random.Random) -> tuple[str, str]:
    month, day, year = rng.choice(MONTHS), rng.randint(1, 31), rng.randrange(1500, 2100)
    said = f"{month.lower()} {words_of(day, 'ordinal')}"
    written = f"{month} {num2words(day, to='ordinal_num')}"
    if rng.random() < 0.5:
        said, written = f"{said} {words_of(year, 'year')}", f"{written}, {year}"
    return f"they met on {said}", f"they met on {written}"


def digits(rng: random.Random) -> tuple[str, str]:
    first, last = rng.sample(string.digits, 2)
    between = "".join(rng.choice(string.digits) for _ in range(rng.choice([2, 3, 5])))
    number = f"{first}{between}{first}{last}"[:9]  # nobody counts so, and no telephone is so
    return f"the code is {' '.join(map(words_of, map(int, number)))}", f"the code is {number}"


def letters(rng: random.Random) -> tuple[str, str]:
    name = "".join(rng.sample("BCDFGHKLPQTVXYZ", rng.randint(2, 3)))
    return f"the {' '.join(name.lower())} said so", f"the {name} said so"


KINDS: list[Callable[[random.Random], tuple[str, str]]] = [
    cardinal,
    ordinal,
    year,
    decimal,
    money,
    percent,
    time_of_day,
    date,
    digits,
    letters,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_generated(kind: Callable[[random.Random], tuple[str, str]]) -> None:
    rng = random.Random(kind.__name__)
    cases = [kind(rng) for _ in range(250)]
    wrong = [(said, write(said), written) for said, written in cases if write(said) != written]
    assert wrong == []
    for said, written in cases:
        assert normalize(said, "english") == normalize(written, "english")
        assert write(spoken(written).replace(",", "")) == written


# --------------------------------------------------------------------------------------------------
# what must not change, and what is kept


NUMBER_WORDS = {*SMALL, *ORDINALS, *SCALES, *COUNTED, "percent", "double", "triple", "oh", "point"}
NUMBER_WORDS |= {month.lower() for month in MONTHS} | {"yen", "euro", "dollar", "pence"}
PLAIN = st.text(alphabet=string.ascii_lowercase + "'", min_size=2, max_size=9).filter(
    lambda word: word not in NUMBER_WORDS and "'" not in word[:2]
)


@given(st.lists(PLAIN | st.sampled_from(["a", "i", "no one", "may", "second", "point", "one of"])))
def test_text_without_numbers_never_changes(words: list[str]) -> None:
    assert write(" ".join(words)) == " ".join(words)
    assert spoken(" ".join(words)) == " ".join(words)


@given(
    st.lists(
        st.sampled_from(
            [
                *SMALL,
                *ORDINALS,
                *SCALES,
                "hundred",
                "and",
                "point",
                "a",
                "m",
                "p",
                "b",
                "oh",
                "may",
                "dollars",
                "cents",
                "percent",
                "of",
                "at",
                "in",
                "double",
                "past",
                "second",
                "i",
            ]
        ),
        max_size=12,
    )
)
def test_any_words_keep_their_order_and_score(words: list[str]) -> None:
    tokens = write_numbers(as_tokens(words))
    assert [place for t in tokens for place in range(t.start, t.stop)] == list(range(len(words)))
    found = list(readings(words))
    assert all(a.stop <= b.start for a, b in itertools.pairwise(found))


def test_marks_and_pauses_end_numbers() -> None:
    tokens = as_tokens(["there", "were", "five", "hundred"])
    marked = [*tokens[:2], Token("five", 2, 3, "."), Token("Hundred", 3, 4)]
    assert [str(t) for t in write_numbers(marked)] == ["there", "were", "five.", "Hundred"]
    assert [str(t) for t in write_numbers(tokens, pauses={2})] == [
        "there",
        "were",
        "five",
        "hundred",
    ]
    assert [str(t) for t in write_numbers(tokens)] == ["there", "were", "500"]
    clock = [Token("seven", 0, 1), Token("p", 1, 2), Token("m", 2, 3, ".")]
    assert [str(t) for t in write_numbers(clock)] == ["7 p.m."]
    ending = [Token("Five", 0, 1), Token("hundred", 1, 2, ",")]
    assert write_numbers(ending) == [Token("500", 0, 2, ",")]


def test_style_of_small_numbers() -> None:
    assert write("two of the twelve and the third", small=0) == "2 of the 12 and the 3rd"
    assert write("no one has one of two", small=0) == "no one has one of 2"
    assert write("two of the twelve and the fifteenth", small=100) == (
        "two of the twelve and the fifteenth"
    )


def test_other_scripts_and_lengths() -> None:
    assert write("") == ""
    assert write("今天 двадцать один") == "今天 двадцать один"
    assert write("five") == "five"
    assert len(write_numbers(as_tokens(["twenty", "one"] * 5000))) == 5000


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It cost $5.20.", "It cost five dollars and twenty cents."),
        ("At 7:05 p.m., 5% of 120", "At seven oh five p m, five percent of one hundred twenty"),
        ("the 1960s and 1905", "the nineteen sixties and nineteen oh five"),
        ("the '80s, from 15-20 in '95", "the eighties, from fifteen to twenty in ninety five"),
        ("GPT4 0.1.0, 30000", "g p t four zero point one point zero, thirty thousand"),
        ("-5 °C, ½ of $0.50", "minus five degrees celsius, one half of fifty cents"),
        (".25 & 3%.", "point two five and three percent."),
        ("24/7 on the BBC's TV", "twenty four seven on the b b c's t v"),
        ("call 555-1234 or 007", "call five five five one two three four or zero zero seven"),
        ("$2.5 million in 2009", "two point five million dollars in two thousand nine"),
        ("Nothing here, Sir.", "Nothing here, Sir."),
        ("ALL CAPITALS", "ALL CAPITALS"),
        ("5km at 9 a.m.", "five km at nine a m"),
    ],
)  # fmt: skip
def test_spoken(written: str, said: str) -> None:
    assert spoken(written) == said
