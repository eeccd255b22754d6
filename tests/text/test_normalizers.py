from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ConfigError
from asr.text import NORMALIZERS, normalize
from asr.text.numerals import spell_numbers


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("none", "  Don't   PANIC, \t now\n", "Don't PANIC, now"),
        (
            "librispeech",
            "HE'D GO TO THE BOYS' ROOM 'TWAS LATE",
            "he'd go to the boys' room 'twas late",
        ),
        ("librispeech", "“Don’t panic,” he said - twice.", "don't panic he said twice"),
        ("librispeech", "Café Æsop, naïve & 5%", "cafe aesop naive and five percent"),
        (
            "librispeech",
            "the 21st of 1,050 in 007",
            "the twenty first of one thousand fifty in zero zero seven",
        ),
        ("basic", "Don’t STOP -- L'Homme, 'ｆｕｌｌ' ﬁn.", "don't stop l'homme full fin"),
        ("basic", "हिन्दी, Straße!", "हिन्दी straße"),
        ("chinese", "今天，天气很好！ＡＢＣ iPhone１５。", "今 天 天 气 很 好 abc iphone15"),
        ("chinese", "我have兩個", "我 have 兩 個"),
        ("chinese", "真正的‘自由’", "真 正 的 自 由"),
        ("mandarin", "ＤＮＡ有２條鏈，二〇〇八年。", "d n a 有 两 条 链 二 零 零 八 年"),
        ("mandarin", "我爱iPhone", "我 爱 iphone"),
    ],
)
def test_forms(name: str, text: str, expected: str) -> None:
    assert normalize(text, name) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("twenty-one", "21"),
        ("Nineteen eighty-four", "1984"),
        ("nineteen oh five", "1905"),
        ("twenty twenty", "2020"),
        ("one hundred and five thousand two hundred", "105,200"),
        ("two point five million", "2.5 million"),
        ("zero point zero one", "0.01"),
        ("the twenty first century", "the 21st century"),
        ("two hundredth", "200th"),
        ("five million dollars", "$5 million"),
        ("ten per cent", "10%"),
        ("I won't", "i will not"),
        ("it's she's he'd", "it is she is he would"),
        ("it’s been", "it has been"),
        ("they've can't y'all gonna", "they have cannot you all going to"),
        ("Mr. and Mrs. Smith met Dr. Jones", "mister and missus smith met doctor jones"),
        ("the colour of the neighbours' theatre", "the color of the neighbors theater"),
        (
            "organised, travelling, analysed; dishonourable defence",
            "organized traveling analyzed dishonorable defense",
        ),
        ("uh, well, hmm [laughs] (sighs) yes", "well yes"),
        ("O.K. naïve", "okay naive"),
        ("one dollar", "$1"),
        ("one dollar", "$1.00"),
        ("minus five degrees", "-5 degrees"),
        ("negative five", "-5"),
        ("minus five", "−5"),
        ("point five", ".5"),
        ("point two five", ".25"),
        ("five euros", "5€"),
        ("five euros", "€5"),
        ("five euros", "5 €"),
        ("one euro", "1€"),
        ("four dollars and eighty five cents", "$4.85"),
        ("four dollars eighty-five cents", "$4.85"),
        ("four dollars and five cents", "$4.05"),
        ("fifty cents", "$0.50"),
        ("fifty cents", "$.50"),
        ("fifty cents", "50¢"),
        ("minus five dollars", "-$5"),
        ("minus five dollars", "$-5"),
        ("one million dollars", "$1 million"),
        ("two thousand pounds", "£2,000"),
        ("two hundred rupees", "₹200"),
        ("twenty degrees celsius", "20 °C"),
        ("twenty degrees celsius", "20℃"),
        ("plus five", "+5"),
        ("number five", "#5"),
        ("five squared", "5²"),
        ("two and one half", "2½"),
        ("five to ten", "five to 10"),
    ],
)
def test_english_makes_alike(one: str, other: str) -> None:
    assert normalize(one, "english") == normalize(other, "english")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-5", "5"),
        (".5", "5"),
        ("0.5", ".5"),
        ("5€", "5"),
        ("$5", "5"),
        ("$5", "€5"),
        ("$1", "$1 million"),
        ("50¢", "$50"),
        ("$4.85", "485 dollars"),
        ("5²", "52"),
        ("½", "1 2"),
        ("20°", "20"),
        ("20 °C", "20 °F"),
        ("+5", "5"),
        ("#5", "5"),
        ("5%", "5"),
        ("5-10", "5 minus 10"),
        ("₹5", "5"),
    ],
)
@pytest.mark.parametrize("name", ["english", "librispeech"])
def test_what_differs_in_meaning_stays_different(name: str, one: str, other: str) -> None:
    assert normalize(one, name) != normalize(other, name)


def test_composed_and_decomposed_texts_are_equal() -> None:
    for name in NORMALIZERS:
        assert normalize("cafe\u0301", name) == normalize("caf\u00e9", name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three", "1 2 3"),  # digits spoken one by one stay single
        ("one and two", "1 and 2"),
        ("one thousand and then", "1000 and then"),
        ("a hundred", "a hundred"),
        ("wait a second", "wait a second"),
        ("John's four hours of armour humour", "john's 4 hours of armor humor"),
        ("ten eleven twelve thirteen", "10 11 12 13"),
        ("", ""),
    ],
)
def test_english_exact(text: str, expected: str) -> None:
    assert normalize(text, "english") == expected


@pytest.mark.parametrize(
    "value", [0, 1, 10, 13, 20, 21, 99, 100, 101, 110, 999, 1000, 1001, 12345, 10**6, 2 * 10**9 + 7]
)
def test_numbers_survive_the_way_to_words_and_back(value: int) -> None:
    assert normalize(spell_numbers(str(value)), "english") == str(value)


@settings(deadline=None)
@given(st.integers(0, 10**15 - 1))
def test_any_number_survives(value: int) -> None:
    words = spell_numbers(str(value)).split()
    if len(words) < 2 or words[0] not in (
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ):  # not to be read as a year
        assert normalize(" ".join(words), "english") == str(value)


@pytest.mark.parametrize("name", ["none", "librispeech", "basic", "chinese"])
@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_twice_is_once_and_spaces_are_single(name: str, text: str) -> None:
    once = normalize(text, name)
    assert normalize(once, name) == once
    assert once == " ".join(once.split())


@settings(deadline=None)
@given(
    text=st.text(max_size=60)
    | st.text(alphabet="one two hundred and point million 0123456789.,'$%", max_size=60)
)
def test_english_never_fails(text: str) -> None:
    once = normalize(text, "english")
    assert once == " ".join(once.split())


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_librispeech_alphabet(text: str) -> None:
    assert set(normalize(text, "librispeech")) <= set("abcdefghijklmnopqrstuvwxyz' ")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'libri'") as error:
        normalize("x", "libri")
    assert all(name in str(error.value) for name in NORMALIZERS)
