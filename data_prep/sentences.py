"""Everyday sentences from a small grammar, for synthetic speech and its language model.

Many words are homophones (meat, meet; son, sun; eight, ate), which only their context can tell
apart.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from asr.errors import DataError

__all__ = ["SentenceSplits", "Sentences", "all_words", "make_sentences"]

WORDS = (3, 9)  # fewest and most in a sentence
TRIES = 20_000

# Alternatives are separated by bars; a word in capitals is the name of another rule.
GRAMMAR = {
    "SENTENCE": (
        "WHO WENT | WHO WENT WHEN | WHO BOUGHT | WHO BOUGHT WHEN | WHO COOKED | WHO ATE | WHO ATE "
        "WHEN | WHO GAVE "
        "| WHO SAW | WHO SAW WHEN | WHO FIXED | WHO FIXED WHEN | WHO WORE | WHO PLAYED | WHO SAID "
        "| SKY | RAIN "
        "WHEN | PLACED | PRICED | ASKED | ASKED | TOLD | TOLD | NEEDED | TRAVELED | DESCRIBED | "
        "COUNTED | STUDIED "
        "| WAITED | MET | the BEAST ACTED | the COLOR BEAST ACTED"
    ),
    "WHO": "NAME | NAME | KIN | KIN | we | they | she | he | i | you",
    "NAME": (
        "anna | ben | clara | david | emma | frank | grace | henry | julia | laura | martin | nora "
        "| oscar | "
        "peter | rosa | tom"
    ),
    "KIN": "MY RELATIVE | MY RELATIVE | MY PERSON | the WORKER",
    "MY": "my | your | his | her | our | their",
    "RELATIVE": "mother | father | sister | brother | aunt | uncle | cousin | son | daughter | "
    "grandmother",
    "PERSON": "neighbor | friend | teacher | doctor | boss",
    "WORKER": "baker | farmer | driver | nurse | captain | waiter | pilot",
    "WHEN": (
        "yesterday | today | this morning | this evening | last night | last week | last summer | "
        "last winter | "
        "last year | on DAY | on DAY morning | on DAY afternoon | after lunch | before dinner | "
        "after school | at "
        "noon | at midnight | an hour ago | a week ago | NUMBER days ago | in MONTH | in the "
        "spring | in the "
        "autumn"
    ),
    "DAY": "monday | tuesday | wednesday | thursday | friday | saturday | sunday",
    "MONTH": "january | march | april | may | june | december",
    "NUMBER": "two | three | four | five | six | seven | eight | nine | ten | twelve | twenty",
    "WENT": (
        "went to the PLACE | walked to the PLACE | drove to the PLACE | ran to the PLACE | came "
        "back from the "
        "PLACE | went to the PLACE BY | walked along the WAY | swam across the WATER | went by the "
        "PLACE | left "
        "the PLACE early | worked at the PLACE"
    ),
    "PLACE": (
        "market | station | library | hospital | garden | park | beach | museum | office | bakery "
        "| farm | church "
        "| bank | airport | village | hotel | harbor | castle | bridge | school"
    ),
    "BY": "by train | by bus | by car | by boat | on foot | by bicycle | by plane",
    "WAY": "road | street | path | river | beach | shore",
    "WATER": "river | lake | bay | pool",
    "BOUGHT": (
        "bought AMOUNT | bought AMOUNT at the SHOP | bought a THING | bought a new THING | bought "
        "NUMBER FRUIT | "
        "sold a COLOR THING | paid NUMBER dollars for the THING | brought AMOUNT from the SHOP"
    ),
    "AMOUNT": (
        "a cup of DRINK | a glass of DRINK | a bottle of DRINK | a bowl of DISH | a plate of DISH "
        "| a piece of "
        "CAKE | a slice of CAKE | a bag of DRY | a pound of DRY | a loaf of bread"
    ),
    "DRINK": "coffee | tea | milk | water | juice",
    "DISH": "soup | rice | fish | beans | meat",
    "CAKE": "cake | pie | cheese | bread",
    "DRY": "flour | sugar | salt | rice | corn",
    "FRUIT": "apples | pears | lemons | eggs | onions | carrots | potatoes | tomatoes",
    "SHOP": "market | bakery | corner shop | station | farm",
    "COOKED": (
        "cooked the MEAL for WHOM | baked a FLAVOR cake for WHOM | boiled the FRUIT in salt water "
        "| made AMOUNT "
        "for WHOM"
    ),
    "MEAL": "soup | fish | meat | chicken | rice | dinner | breakfast | beans",
    "FLAVOR": "lemon | chocolate | honey | small | sweet",
    "WHOM": "me | you | him | us | them | NAME | MY RELATIVE | MY PERSON",
    "ATE": (
        "ate AMOUNT | ate NUMBER FRUIT | drank a cup of DRINK | drank a glass of DRINK | ate MEAL "
        "with WHOM | "
        "tasted the MEAL"
    ),
    "GAVE": (
        "gave WHOM a THING | gave a COLOR THING to WHOM | sent WHOM a PAPER | wrote a PAPER to "
        "WHOM | showed WHOM "
        "the way to the PLACE | lent WHOM a THING | read WHOM a PAPER"
    ),
    "PAPER": "letter | story | message | note",
    "SAW": (
        "saw a COLOR BEAST in the FIELD | saw NUMBER BEASTS by the WATER | saw the COLOR BIRD | "
        "heard a BIRD in "
        "the TREE | fed the BEASTS | looked for the BEAST | caught a big fish in the WATER | "
        "watched the sun rise "
        "| picked NUMBER FLOWERS"
    ),
    "BEAST": "dog | cat | horse | cow | sheep | rabbit | fox | mouse | bear",
    "BEASTS": "dogs | cats | horses | cows | sheep | rabbits | ducks | geese",
    "BIRD": "bird | owl | swan | crow",
    "TREE": "tree | oak tree | pine tree | apple tree | woods",
    "FIELD": "field | garden | forest | yard | park",
    "FLOWERS": "roses | flowers | cherries",
    "FIXED": (
        "fixed the PART | painted the PART COLOR | cleaned the PART | opened the OPENING | closed "
        "the OPENING | "
        "locked the OPENING | washed the CLOTHES | broke the VESSEL | found the key under the "
        "FURNITURE | lost MY "
        "key in the ROOM | moved the FURNITURE into the ROOM | tied a knot in the rope"
    ),
    "PART": "roof | fence | wall | chair | table | door | kitchen | boat | window",
    "OPENING": "door | window | gate | box",
    "VESSEL": "cup | plate | glass | bottle | clock",
    "FURNITURE": "table | chair | bed | lamp | sofa | piano | shelf",
    "ROOM": "kitchen | bedroom | hall | living room",
    "CLOTHES": "shirt | coat | dishes | car | gloves",
    "THING": "book | hat | coat | scarf | watch | bicycle | ring | basket | lamp | shirt | clock",
    "COLOR": "red | blue | green | yellow | white | black | brown | gray | orange | purple",
    "WORE": "wore a COLOR GARMENT | wore MY COLOR GARMENT WHEN | put on a warm GARMENT | took off "
    "MY wet shoes",
    "GARMENT": "coat | hat | dress | scarf | shirt | jacket",
    "PLAYED": (
        "played MUSIC with WHOM | played GAME in the FIELD | won the GAME game | sang a SONG for "
        "WHOM | danced "
        "with WHOM WHEN"
    ),
    "MUSIC": "the piano | the guitar | chess | cards",
    "GAME": "football | tennis",
    "SONG": "song | quiet song | sad song | new song | love song",
    "SAID": (
        "said that the THEME was QUALITY | knew that the THEME was QUALITY | thought that the "
        "THEME was QUALITY | "
        "told WHOM the whole truth | said goodbye to WHOM | knew the right answer | had no time "
        "for WHOM"
    ),
    "THEME": "water | soup | road | story | weather | house | train | film | tea | test | bed",
    "QUALITY": "cold | warm | too hot | too long | very short | clean | late | easy | very good | "
    "bad | too hard",
    "SKY": (
        "RAIN | RAIN all WHILE | the sun shone all WHILE | the wind blew from the COMPASS | the "
        "sky was COLOR | "
        "there was a storm over the sea | it was very cold in MONTH | the snow lay on the PART | "
        "the moon rose "
        "above the HIGH"
    ),
    "RAIN": "it rained | it snowed | the wind blew | the sun shone",
    "WHILE": "day | night | morning | afternoon | week | weekend",
    "COMPASS": "north | south | east | west | sea",
    "HIGH": "hill | village | forest | sea | town",
    "PLACED": (
        "the THING is on the FURNITURE | the THING is under the FURNITURE | there is a THING "
        "behind the FURNITURE "
        "| there are NUMBER FRUIT in the basket | the PLACE is near the WAY | the PLACE is next to "
        "the PLACE"
    ),
    "PRICED": (
        "the THING cost NUMBER dollars | the ticket cost NUMBER dollars | the fare to the PLACE is "
        "NUMBER dollars"
    ),
    "ASKED": (
        "where is MY THING | where is the PLACE | did you see MY BEAST | can you hear the BIRD | "
        "when does the "
        "train leave | who took MY THING | what did you buy for WHOM | will you come to the PLACE "
        "with me | how "
        "much is the COLOR THING | why did NAME leave the PLACE | what time is it now | do you "
        "know MY RELATIVE | "
        "would you like a cup of DRINK"
    ),
    "TOLD": (
        "please close the OPENING | please open the OPENING | don't forget MY THING | turn left at "
        "the PLACE | "
        "turn right at the PLACE | please write to WHOM soon | let's meet at the PLACE | bring me "
        "the COLOR THING "
        "| wait for me by the PLACE | don't wake the baby"
    ),
    "NEEDED": (
        "i need a new THING | we need NUMBER more FRUIT | i can't find MY THING | it's too dark in "
        "the ROOM | i "
        "don't like the MEAL"
    ),
    "TRAVELED": (
        "the train was NUMBER minutes late | the bus stopped at the PLACE | the plane flew over "
        "the sea | the "
        "boat sailed to the HARBOR | the road to the PLACE is closed | the train left at NUMBER in "
        "the morning"
    ),
    "HARBOR": "island | harbor | south | north | bay",
    "DESCRIBED": (
        "MY RELATIVE is a WORKER | NAME is MY RELATIVE | MY BEAST is NUMBER years old | the WORKER "
        "has NUMBER "
        "sons | MY hair is too long | MY RELATIVE has COLOR eyes | the BEAST has a long tail | "
        "NAME lives near "
        "the PLACE"
    ),
    "COUNTED": "one and two make three | NUMBER people came to the PLACE | only one of them was "
    "right",
    "STUDIED": (
        "WHO learned a new word | WHO passed the test WHEN | WHO wrote a book about BEASTS | WHO "
        "studied music at "
        "school"
    ),
    "WAITED": (
        "WHO waited an hour for WHOM | WHO slept on the sofa | WHO stayed home WHEN | WHO sat by "
        "the fire | WHO "
        "stood in the hall"
    ),
    "MET": "WHO met WHOM at the PLACE | WHO met the WORKER WHEN | WHO called WHOM WHEN | WHO "
    "helped WHOM in the FIELD",
    "ACTED": (
        "ran across the WAY | slept under the FURNITURE | hid behind the PART | ate the grass in "
        "the FIELD | "
        "drank from the WATER"
    ),
}

_RULES = {name: [option.split() for option in text.split("|")] for name, text in GRAMMAR.items()}


@dataclass(frozen=True)
class SentenceSplits:
    """Different sentences for each split; ``train`` has every word of ``dev`` and ``test``."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    seed: int

    def lm_sentences(self, number: int) -> list[str]:
        """Return sentences for a language model, none of which is in ``dev`` or ``test``.

        Raises:
            DataError: the grammar has too few sentences.
        """
        source = Sentences(self.seed + 1, taken=(*self.dev, *self.test))
        return source.take(number)


class Sentences:
    """Random sentences without repetition, and without those of ``taken``.

    Example:
        >>> len(Sentences(seed=1).take(5))
        5
    """

    def __init__(self, seed: int, taken: Iterable[str] = ()) -> None:
        self._random = random.Random(f"sentences {seed}")
        self._taken = set(taken)

    def take(self, number: int, words: Collection[str] | None = None) -> list[str]:
        """Return ``number`` sentences, made only of ``words`` if given.

        Raises:
            DataError: the grammar has too few sentences of these words.
        """
        rules = _RULES if words is None else _restricted(words)
        return [self._next(rules, number) for _ in range(number)]

    def _next(self, rules: dict[str, list[list[str]]], number: int) -> str:
        for _ in range(TRIES if rules else 0):
            words = self._expand("SENTENCE", rules)
            sentence = " ".join(words)
            if WORDS[0] <= len(words) <= WORDS[1] and sentence not in self._taken:
                self._taken.add(sentence)
                return sentence
        raise DataError(
            f"The grammar has fewer than {number} different sentences of the words in the "
            "training sentences.",
            "Ask for more training sentences, or fewer for dev and test.",
        )

    def _expand(self, rule: str, rules: dict[str, list[list[str]]]) -> list[str]:
        words: list[str] = []
        for token in self._random.choice(rules[rule]):
            words += self._expand(token, rules) if token in rules else [token]
        return words


def make_sentences(train: int, dev: int, test: int, seed: int = 0) -> SentenceSplits:
    """Return sentences for a corpus; the same numbers and seed give the same sentences.

    Raises:
        DataError: there are too few training sentences for the words of so many others, or more
            than the grammar makes.

    Example:
        >>> splits = make_sentences(200, 10, 10)
        >>> set(splits.test) & set(splits.train)
        set()
    """
    if min(train, dev, test) < 0 or not train:
        raise DataError(
            f"{train}, {dev} and {test} sentences were asked for.",
            "Give at least one to train, none below 0.",
        )
    source = Sentences(seed)
    known = source.take(train)
    words = all_words(known)
    return SentenceSplits(
        tuple(known), tuple(source.take(dev, words)), tuple(source.take(test, words)), seed
    )


def all_words(sentences: Iterable[str]) -> frozenset[str]:
    """Return the different words of sentences."""
    return frozenset(word for sentence in sentences for word in sentence.split())


def _restricted(words: Collection[str]) -> dict[str, list[list[str]]]:
    """Return the rules without what cannot be said in ``words``; nothing if no sentence is left."""
    rules = dict(_RULES)
    while True:
        kept = {
            name: [o for o in options if _can_say(o, rules, words)]
            for name, options in rules.items()
        }
        kept = {name: options for name, options in kept.items() if options}
        if kept == rules:
            return rules if "SENTENCE" in rules else {}
        rules = kept


def _can_say(
    option: Sequence[str], rules: dict[str, list[list[str]]], words: Collection[str]
) -> bool:
    return all(token in rules if token in _RULES else token in words for token in option)
