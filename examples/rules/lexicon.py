"""A lexicon for reviews: three rules that say "yes" for praise and "no" for blame, or nothing.

Written from general knowledge of English, without looking at any data set's labels.
"""

import re

PRAISE = """
admirable adorable affecting amazing amusing astonishing authentic beautiful beautifully beguiling best breathtaking
bright brilliant brilliantly captivating charm charming charismatic clever compelling cool crisp dazzling deft
delicate delicious delight delightful delights earnest effective elegant engaging engrossing enjoy enjoyable enjoyed
enjoys entertaining enthralling excellent excellently exceptional exciting exhilarating exquisite fascinating fine
finest fresh fun funniest funny genius gentle genuine gem glorious good gorgeous grace graceful great greatest
gripping happy haunting heartfelt heartwarming hilarious honest humane hypnotic imaginative impressive ingenious
insightful inspired inspiring intelligent intense intriguing inventive joy joyous likable likeable lively lovely
loving lyrical magic magical magnificent marvelous masterful masterpiece memorable mesmerizing moving original
outstanding passionate perfect perfectly playful pleasant pleasing pleasure poetic poignant polished powerful
profound provocative rare refreshing refreshingly remarkable rewarding rich riveting satisfying sensitive sharp
sincere skillful smart smooth solid spectacular spirited splendid stirring strong stunning stylish sublime subtle
succeeds superb suspenseful sweet sympathetic tender terrific thoughtful thrilling touching treasure treat triumph
unforgettable uplifting vibrant vivid warm warmth winning witty wonder wonderful wonderfully wry
"""
BLAME = """
abysmal absurd aimless amateurish annoying appalling artificial atrocious awful awkward bad badly bland bleak
bloated bogus bore bored boredom boring bungled busy cheap cheesy choppy cliche cliched cliches clumsy clunky cold
confused confusing contrived convoluted crass crude cynical dated dead deadly depressing derivative disappoint
disappointing disappointment disaster disjointed dismal dreadful dreary drab dull dumb embarrassing empty excessive
excruciating exhausting fail failed fails failure fake familiar far-fetched flat flawed flimsy forced forgettable
formulaic frustrating generic gimmicky grating gross heavy-handed hackneyed hollow horrible idiotic implausible
incoherent inconsequential indulgent inept inert insipid insulting irritating jumbled junk lack lacking lackluster
lacks lame lazy lifeless listless lousy ludicrous mediocre meandering mess messy mindless monotonous muddled mundane
murky nasty needlessly nonsense obnoxious obvious overblown overlong overwrought painful painfully paint-by-numbers
pathetic plodding pointless poor poorly predictable preposterous pretentious problem problems ridiculous rote sappy
self-indulgent shallow shapeless silly sloppy slow sluggish sour stale stiff strained stupid superficial tacky
tasteless tedious tepid terrible thin tired tiresome trite trivial turgid ugly unconvincing uneven unfunny
uninspired uninteresting unintentionally unnecessary unpleasant unsatisfying vapid vulgar waste wasted weak weird
wooden worse worst worthless wretched wrong
"""
REVERSING = "not no never without hardly barely n't nothing neither nor lacks lack too isn't wasn't doesn't"
PRAISING = re.compile(
    r"must[- ]see|well worth|worth (?:seeing|watching|the)|one of the (?:best|finest)|top[- ]notch|at its best"
)
BLAMING = re.compile(
    r"waste of|at best|too (?:long|much|many|bad)|fails? to|instead of|should have|could have been|not even"
    r"|nothing (?:more|new|to)|no (?:sense|real|idea|point)|falls? (?:flat|short)|ca n't (?:save|help)"
)


_PRAISE, _BLAME, _REVERSING = (frozenset(text.split()) for text in (PRAISE, BLAME, REVERSING))


def _balance(text):
    """Words of praise minus words of blame; the one after a word such as "not" counts the other way."""
    words, total = re.findall(r"[a-z'-]+", text.lower()), 0
    for i, word in enumerate(words):
        sign = (word in _PRAISE) - (word in _BLAME)
        total += -sign if sign > 0 and _REVERSING & {*words[max(0, i - 2) : i]} else sign
    return total


def _answer(balance):
    return "yes" if balance > 0 else "no" if balance < 0 else None


def words(text):
    return _answer(_balance(text))


def phrases(text):
    text = text.lower()
    return _answer(len(PRAISING.findall(text)) - len(BLAMING.findall(text)))


def conclusion(text):
    """What stands after the last "but" or "yet" counts most."""
    parts = re.split(r"\b(?:but|yet|however)\b", text.lower())
    return _answer(_balance(parts[-1])) if len(parts) > 1 else None
