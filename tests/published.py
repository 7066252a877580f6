"""A few rows of every set in `outgrow.text.sets`, made up, with the columns that are published; and for each the
beginning of a question that is right and of one that is wrong; of sets that keep their classes, the class of each row,
as it is published and in the files at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Published:
    rows: list[Record]
    yes: str
    no: str


def four(text: list[str]) -> Record:
    return {"text": text, "label": ["A", "B", "C", "D"][: len(text)]}


PUBLISHED = {
    "anli-r2": Published(
        [
            {"uid": "1", "premise": "Ann sings.", "hypothesis": "Ann makes music.", "label": 0, "reason": ""},
            {"uid": "2", "premise": "Bob swims.", "hypothesis": "Bob is rich.", "label": 1, "reason": ""},
            {"uid": "3", "premise": "Bob swam.", "hypothesis": "Bob is dry.", "label": 2, "reason": ""},
        ],
        "Ann sings.\n\nHypothesis: Ann makes music.",
        "Bob sw",
    ),
    "boolq": Published(
        [
            {"question": "is the sky blue", "answer": True, "passage": "The sky is blue."},
            {"question": "is grass red", "answer": False, "passage": "Grass is green."},
        ],
        "The sky is blue.\n\nQuestion: is the sky blue?",
        "Grass is green.\n\nQuestion: is grass red?",
    ),
    "cola": Published(
        [
            {"sentence": "She reads a book.", "label": 1, "idx": 0},
            {"sentence": "Book a she read.", "label": 0, "idx": 1},
        ],
        "She reads a book.\n\n",
        "Book a she read.\n\n",
    ),
    "comve": Published(
        [{"id": "0", "sent0": "He ate a stone.", "sent1": "He ate a cake.", "answer": 0}],
        "He ate a stone.",
        "He ate a cake.",
    ),
    "cosmosqa": Published(
        [
            {
                "id": "x",
                "context": "It rained.",
                "question": "What did she take ?",
                "answer0": "A sledge.",
                "answer1": "Nothing.",
                "answer2": "An umbrella.",
                "answer3": "A fan.",
                "label": 2,
            }
        ],
        "It rained.\n\nQuestion: What did she take ?\nAnswer: An umbrella.",
        "It rained.\n\nQuestion: What did she take ?\nAnswer: ",
    ),
    "creak": Published(
        [
            {"ex_id": "1", "sentence": "Fish swim.", "label": "true", "entity": "Fish", "explanation": "They do."},
            {"ex_id": "2", "sentence": "Fish knit.", "label": "false", "entity": "Fish", "explanation": "They do not."},
        ],
        "Fish swim.",
        "Fish knit.",
    ),
    "dream": Published(
        [
            {
                "id": 0,
                "dialogue_id": "5-1",
                "dialogue": ["M: Tea?", "W: Coffee."],
                "question": "What does she want?",
                "choice": ["Tea.", "Coffee.", "Milk."],
                "answer": "Coffee.",
            }
        ],
        "M: Tea?\nW: Coffee.\n\nQuestion: What does she want?\nAnswer: Coffee.",
        "M: Tea?\nW: Coffee.\n\nQuestion: What does she want?\nAnswer: ",
    ),
    "ethics-deontology": Published(
        [
            {"label": 1, "scenario": "Can you help?", "excuse": "No because I am ill."},
            {"label": 0, "scenario": "Can you help?", "excuse": "No because grass is green."},
        ],
        "Can you help?\nNo because I am ill.",
        "Can you help?\nNo because grass is green.",
    ),
    "ethics-justice": Published(
        [{"label": 1, "scenario": "I deserve my pay."}, {"label": 0, "scenario": "I deserve a castle."}],
        "I deserve my pay.",
        "I deserve a castle.",
    ),
    "ethics-utilitarianism": Published(
        [{"baseline": "I got a cake.", "less_pleasant": "I got a stone."}],
        "First: I got a cake.\nSecond: I got a stone.",
        "First: I got a stone.\nSecond: I got a cake.",
    ),
    "ethics-virtue": Published(
        [
            {"label": 1, "scenario": "Jo gave it all away. [SEP] generous"},
            {"label": 0, "scenario": "Jo gave it all away. [SEP] greedy"},
        ],
        "Jo gave it all away. [SEP] generous",
        "Jo gave it all away. [SEP] greedy",
    ),
    "hellaswag": Published(
        [
            {
                "ind": 4,
                "activity_label": "Cooking",
                "ctx_a": "He cracks an egg.",
                "ctx_b": "he",
                "ctx": "He cracks an egg. he",
                "endings": ["flies away.", "sings loudly.", "fries it.", "sleeps."],
                "source_id": "a~1",
                "split": "train",
                "split_type": "indomain",
                "label": "2",
            },
            {"ctx": "Unlabelled", "endings": ["a", "b", "c", "d"], "source_id": "a~2", "label": ""},
        ],
        "He cracks an egg. he fries it.",
        "He cracks an egg. he ",
    ),
    "mctaco": Published(
        [
            {"sentence": "She ran home.", "question": "How long?", "answer": "ten minutes", "label": 1, "category": 0},
            {"sentence": "She ran home.", "question": "How long?", "answer": "ten years", "label": 0, "category": 0},
        ],
        "She ran home.\n\nQuestion: How long?\nAnswer: ten minutes",
        "She ran home.\n\nQuestion: How long?\nAnswer: ten years",
    ),
    "multirc": Published(
        [
            {
                "paragraph": "Al has a dog.",
                "question": "What has Al?",
                "answer": answer,
                "idx": {"paragraph": 0, "question": 0, "answer": i},
                "label": 1 - i,
            }
            for i, answer in enumerate(["A dog", "A cat"])
        ],
        "Al has a dog.\n\nQuestion: What has Al?\nAnswer: A dog",
        "Al has a dog.\n\nQuestion: What has Al?\nAnswer: A cat",
    ),
    "openbookqa": Published(
        [
            {
                "id": "7-1",
                "question_stem": "The sun is",
                "choices": four(["cold", "hot", "wet", "square"]),
                "answerKey": "B",
            }
        ],
        "The sun is\nAnswer: hot",
        "The sun is\nAnswer: ",
    ),
    "paws": Published(
        [
            {"id": 1, "sentence1": "A beats B.", "sentence2": "B loses to A.", "label": 1},
            {"id": 2, "sentence1": "C beats D.", "sentence2": "D beats C.", "label": 0},
        ],
        "A beats B.\nB loses to A.",
        "C beats D.\nD beats C.",
    ),
    "piqa": Published(
        [{"goal": "Open a jar.", "sol1": "Turn the jar upside down.", "sol2": "Twist the lid.", "label": 1}],
        "Open a jar.\nAnswer: Twist the lid.",
        "Open a jar.\nAnswer: Turn the jar upside down.",
    ),
    "quail": Published(
        [
            {
                "id": "f1_0",
                "context_id": "f1",
                "question_id": "0",
                "domain": "fiction",
                "metadata": {"author": "", "title": "", "url": ""},
                "context": "Eve left.",
                "question": "Who left?",
                "question_type": "Factual",
                "answers": ["Adam", "not enough information", "Eve", "Cain"],
                "correct_answer_id": 2,
            }
        ],
        "Eve left.\n\nQuestion: Who left?\nAnswer: Eve",
        "Eve left.\n\nQuestion: Who left?\nAnswer: ",
    ),
    "quartz": Published(
        [
            {
                "id": "q1",
                "question": "More heat is",
                "choices": four(["warmer", "colder"]),
                "answerKey": "A",
                "para": "Heat warms.",
                "para_id": "p1",
            }
        ],
        "Heat warms.\n\nQuestion: More heat is\nAnswer: warmer",
        "Heat warms.\n\nQuestion: More heat is\nAnswer: colder",
    ),
    "sciq": Published(
        [
            {
                "question": "What do plants breathe out?",
                "distractor3": "gold",
                "distractor1": "iron",
                "distractor2": "sand",
                "correct_answer": "oxygen",
                "support": "Plants breathe out oxygen.",
            }
        ],
        "What do plants breathe out?\nAnswer: oxygen",
        "What do plants breathe out?\nAnswer: ",
    ),
    "socialiqa": Published(
        [
            {
                "context": "Kai fell.",
                "question": "How does Kai feel?",
                "answerA": "proud",
                "answerB": "rich",
                "answerC": "hurt",
                "label": "3",
            }
        ],
        "Kai fell. How does Kai feel?\nAnswer: hurt",
        "Kai fell. How does Kai feel?\nAnswer: ",
    ),
    "sst2": Published(
        [
            {"idx": 0, "sentence": "a joy ", "label": 1},
            {"idx": 1, "sentence": "a bore ", "label": 0},
            {"idx": 2, "sentence": "not labelled ", "label": -1},
        ],
        "a joy",
        "a bore",
    ),
    "twitter-sentiment": Published(
        [{"text": "what a day!", "label": 1}, {"text": "what a mess.", "label": 0}],
        "what a day!",
        "what a mess.",
    ),
    "wic": Published(
        [
            {
                "word": "bank",
                "sentence1": "A river bank.",
                "sentence2": second,
                "start1": 8,
                "start2": 4,
                "end1": 12,
                "end2": 8,
                "idx": i,
                "label": i,
            }
            for i, second in enumerate(["The bank gave a loan.", "The bank was muddy."])
        ],
        "A river bank.\nThe bank was muddy.\n\nDoes bank mean the same",
        "A river bank.\nThe bank gave a loan.",
    ),
}


@dataclass(frozen=True)
class Classified:
    rows: list[Record]
    classes: list[str]
    local: list[Record] | None = None  # the same rows with the columns of files at hand, where these differ


def texts(*labels: Any, column: str = "label") -> list[Record]:
    return [{"text": f"text number{i}", column: label} for i, label in enumerate(labels)]


CLASSIFIED = {
    "ag-news": Classified(
        texts(0, 3),
        ["World", "Sci/Tech"],
        [{"content": "text number0", "label": "1"}, {"content": "text number1", "label": "4"}],
    ),
    "banking77": Classified(
        texts("card_arrival", "Refund_not_showing_up", column="category"), ["card_arrival", "Refund_not_showing_up"]
    ),
    "clickbait": Classified(texts("clickbait", "news"), ["clickbait", "news"]),
    "clinc150": Classified(texts("translate", "yes", column="intent"), ["translate", "yes"]),
    "emotion": Classified(texts(0, 5, -1), ["sadness", "surprise"], texts("sadness", "surprise")),
    "mr": Classified(texts(0, 1), ["neg", "pos"], texts("neg", "pos")),
    "stackoverflow": Classified(texts("1", "20"), ["wordpress", "magento"]),
    "subj": Classified(
        [{**row, "label_text": name} for row, name in zip(texts(0, 1), ("objective", "subjective"), strict=True)],
        ["objective", "subjective"],
        texts("objective", "subjective"),
    ),
    "tweet-offensive": Classified(texts(0, 1), ["not-offensive", "offensive"], texts("not-offensive", "offensive")),
    "tweet-sentiment": Classified(texts(0, 2), ["negative", "positive"], texts("negative", "positive")),
}
