"""Keywords of four topics of news: one rule for each topic, which abstains where its words are not clearly more than
those of every other topic. Written from general knowledge, without looking at any data set's labels."""

import re

KEYWORDS = {
    "World": """
        president minister prime election elections iraq iraqi baghdad israel israeli palestinian gaza troops
        military war peace un united nations rebels bomb bombing killed attack attacks militants nuclear iran
        korea government parliament hostage hostages terror terrorism afghanistan russia russian chechen sudan
        darfur pope police soldiers embassy treaty talks refugees
    """,
    "Sports": """
        game games season team teams coach cup league win wins won victory match champion championship olympic
        olympics medal goal goals score scored points quarterback baseball football basketball soccer tennis
        golf cricket nba nfl nhl mlb inning touchdown tournament player players playoff playoffs yankees sox
        striker grand slam race
    """,
    "Business": """
        stocks shares profit profits earnings quarter quarterly oil prices price market markets dollar euro
        economy economic inflation bank banks rates investors investment sales revenue deal merger acquisition
        bid company billion million ceo analysts wall street fed reserve crude barrel jobs retail airline
        bankruptcy
    """,
    "Sci/Tech": """
        software microsoft google internet computer computers web online linux windows apple ibm intel chip
        chips server servers wireless phone phones mobile technology users virus security spam browser search
        nasa space scientists researchers study planet mars moon satellite species climate genome digital
        broadband video download
    """,
}
WORDS = {topic: frozenset(words.split()) for topic, words in KEYWORDS.items()}


def _found(text):
    """How many words of each topic occur."""
    words = re.findall(r"[a-z]+", text.lower())
    return {topic: sum(word in own for word in words) for topic, own in WORDS.items()}


def _rule(text, topic):
    found = _found(text)
    others = max(count for name, count in found.items() if name != topic)
    return topic if found[topic] > 2 * others or (found[topic] == 2 and others == 1) else None


def world(text):
    return _rule(text, "World")


def sports(text):
    return _rule(text, "Sports")


def business(text):
    return _rule(text, "Business")


def technology(text):
    return _rule(text, "Sci/Tech")
