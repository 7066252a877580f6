"""A table of published data sets: where their rows are, and how they become yes/no questions or texts with a class."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How the rows of a published data set become yes/no questions, or keep their classes.

    prompt: a template over columns; a dot gives a nested field. label: the column with the answer. yes, no: its values
    for either answer; rows with other values have no label. group: a template whose equal values stay in one split.

    options: for multiple choice, one column with a list of options, or one column for each option. A question then asks
    whether `{option}` is right (`{other}` is the next option). label is the number of the right option, counted from
    `first`, or its name in the column `names`. Without a label column, the first option is right.

    classes: for a set that keeps its classes, their names in the order of their numbers, which are counted from
    `first`; the label is a number or a name. named: the label is the name of a class, and the classes are those that
    occur.
    """

    hub: str = ""  # the repository on the hub; empty if the set is read from local files only
    revision: str = ""  # the commit on the hub
    files: str = "data/{split}-*.parquet"  # a pattern for the files of a split
    splits: tuple[str, ...] = ("train", "validation")
    prompt: str
    label: str = ""
    yes: tuple[str, ...] = ("1", "true")
    no: tuple[str, ...] = ("0", "false")
    group: str = ""
    options: tuple[str, ...] = ()
    names: str = ""
    first: int = 0
    classes: tuple[str, ...] = ()
    named: bool = False
    tidy: Callable[[dict[str, Any]], dict[str, Any]] = dict  # converts a mirror's row to the published columns

    @property
    def keeps_classes(self) -> bool:
        """Whether its rows are texts with a class, and not yes/no questions."""
        return self.named or bool(self.classes)


def _openbookqa(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the published columns, from a mirror that has questions as instructions."""
    form = r".*?: (.*)\n\nAnswer1: (.*) Answer2: (.*) Answer3: (.*) Answer4: (.*)\n\nAnswer format: .*"
    if "instruction" not in row or not (match := re.fullmatch(form, str(row["instruction"]), re.DOTALL)):
        return row
    stem, *options = match.groups()
    names = [f"answer{i}" for i in range(1, 5)]
    return {"question_stem": stem, "choices": {"text": options, "label": names}, "answerKey": row["answer"]}


def _ag_news(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the published columns, from a file that has the text in `content` and the class from "1" to "4"."""
    if "content" not in row:
        return row
    label = {str(i): i - 1 for i in range(1, 5)}.get(str(row.get("label")), "")
    return {"text": row["content"], "label": label}


STACKOVERFLOW = (
    *("wordpress", "oracle", "svn", "apache", "excel", "matlab", "visual-studio", "cocoa", "osx", "bash"),
    *("spring", "hibernate", "scala", "sharepoint", "ajax", "qt", "drupal", "linq", "haskell", "magento"),
)

TABLE = {
    "ag-news": Entry(
        hub="fancyzhx/ag_news",
        revision="eb185aade064a813bc0b7f42de02595523103ca4",
        splits=("train", "test"),
        prompt="{text}",
        label="label",
        classes=("World", "Sports", "Business", "Sci/Tech"),
        tidy=_ag_news,
    ),
    "anli-r2": Entry(
        hub="facebook/anli",
        revision="8e4813d81f46d313dac7892e1c28076917cfcdf9",
        files="plain_text/{split}-*.parquet",
        splits=("train_r2", "dev_r2", "test_r2"),
        prompt="{premise}\n\nHypothesis: {hypothesis}\n\nDoes the text entail the hypothesis?",
        label="label",
        yes=("0",),
        no=("1", "2"),
        group="{premise}",
    ),
    "banking77": Entry(prompt="{text}", label="category", named=True),
    "boolq": Entry(
        hub="google/boolq",
        revision="35b264d03638db9f4ce671b711558bf7ff0f80d5",
        prompt="{passage}\n\nQuestion: {question}?",
        label="answer",
        group="{passage}",
    ),
    "clickbait": Entry(prompt="{text}", label="label", named=True),
    "clinc150": Entry(prompt="{text}", label="intent", named=True),
    "cola": Entry(
        hub="nyu-mll/glue",
        revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
        files="cola/{split}-*.parquet",
        prompt="{sentence}\n\nIs this sentence acceptable?",
        label="label",
    ),
    "comve": Entry(
        prompt="{option}\n\nDoes this go against common sense?",
        options=("sent0", "sent1"),
        label="answer",
        group="{id}",
    ),
    "cosmosqa": Entry(
        hub="allenai/cosmos_qa",
        revision="ed50fe83db62b355759053b1cd5eef344ee371e0",
        files="default/{split}/*.parquet",
        prompt="{context}\n\nQuestion: {question}\nAnswer: {option}\n\nIs the answer right?",
        options=("answer0", "answer1", "answer2", "answer3"),
        label="label",
        group="{context}",
    ),
    "creak": Entry(
        hub="amydeng2000/CREAK",
        revision="3600013a4e003d07bfd692e1d156bcc3a6333421",
        files="{split}.json",
        splits=("train", "dev"),
        prompt="{sentence}\n\nIs this true?",
        label="label",
    ),
    "dream": Entry(
        hub="dataset-org/dream",
        revision="ca4c45feaf089ecfc37579eb2c594375f70dbfd5",
        files="plain_text/{split}/*.parquet",
        splits=("train", "validation", "test"),
        prompt="{dialogue}\n\nQuestion: {question}\nAnswer: {option}\n\nIs the answer right?",
        options=("choice",),
        label="answer",
        names="choice",
        group="{dialogue_id}",
    ),
    "emotion": Entry(
        hub="dair-ai/emotion",
        revision="cab853a1dbdf4c42c2b3ef2173804746df8825fe",
        files="split/{split}-*.parquet",
        splits=("train", "validation", "test"),
        prompt="{text}",
        label="label",
        classes=("sadness", "joy", "love", "anger", "fear", "surprise"),
    ),
    "ethics-deontology": Entry(
        hub="hendrycks/ethics",
        revision="6deab74c03e30f13540266e373ce31f8466169f8",
        files="deontology/{split}/*.parquet",
        splits=("train", "validation", "test"),
        prompt="{scenario}\n{excuse}\n\nIs this reasonable?",
        label="label",
        group="{scenario}",
    ),
    "ethics-justice": Entry(
        hub="hendrycks/ethics",
        revision="6deab74c03e30f13540266e373ce31f8466169f8",
        files="justice/{split}/*.parquet",
        splits=("train", "validation", "test"),
        prompt="{scenario}\n\nIs this reasonable?",
        label="label",
    ),
    "ethics-utilitarianism": Entry(
        hub="hendrycks/ethics",
        revision="6deab74c03e30f13540266e373ce31f8466169f8",
        files="utilitarianism/{split}/*.parquet",
        splits=("train", "validation", "test"),
        prompt="First: {option}\nSecond: {other}\n\nIs the first more pleasant?",
        options=("baseline", "less_pleasant"),
        group="{baseline}",
    ),
    "ethics-virtue": Entry(
        hub="hendrycks/ethics",
        revision="6deab74c03e30f13540266e373ce31f8466169f8",
        files="virtue/{split}/*.parquet",
        splits=("train", "validation", "test"),
        prompt="{scenario}\n\nDoes the trait after the text fit the person in it?",
        label="label",
        group="{scenario_alone}",
        tidy=lambda row: {**row, "scenario_alone": str(row["scenario"]).partition("[SEP]")[0].strip()},
    ),
    "hellaswag": Entry(
        hub="Rowan/hellaswag",
        revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
        prompt="{ctx} {option}\n\nIs this the right continuation?",
        options=("endings",),
        label="label",
        group="{source_id}",
    ),
    "mctaco": Entry(
        hub="CogComp/mc_taco",
        revision="9916937",
        files="plain_text/{split}/*.parquet",
        splits=("validation", "test"),
        prompt="{sentence}\n\nQuestion: {question}\nAnswer: {answer}\n\nIs the answer plausible?",
        label="label",
        group="{sentence}",
    ),
    "mr": Entry(
        hub="cornell-movie-review-data/rotten_tomatoes",
        revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
        files="{split}.parquet",
        splits=("train", "validation", "test"),
        prompt="{text}",
        label="label",
        classes=("neg", "pos"),
    ),
    "multirc": Entry(
        hub="aps/super_glue",
        revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
        files="multirc/{split}-*.parquet",
        prompt="{paragraph}\n\nQuestion: {question}\nAnswer: {answer}\n\nIs the answer right?",
        label="label",
        group="{paragraph}",
    ),
    "openbookqa": Entry(
        hub="allenai/openbookqa",
        revision="388097ea7776314e93a529163e0fea805b8a6454",
        files="main/{split}-*.parquet",
        splits=("train", "validation", "test"),
        prompt="{question_stem}\nAnswer: {option}\n\nIs the answer right?",
        options=("choices.text",),
        label="answerKey",
        names="choices.label",
        group="{question_stem}",
        tidy=_openbookqa,
    ),
    "paws": Entry(
        hub="google-research-datasets/paws",
        revision="161ece9501cf0a11f3e48bd356eaa82de46d6a09",
        files="labeled_final/{split}-*.parquet",
        splits=("train", "validation", "test"),
        prompt="{sentence1}\n{sentence2}\n\nDo both say the same?",
        label="label",
    ),
    "piqa": Entry(
        hub="ybisk/piqa",
        revision="142c51238b3ca2bc61e9a075913871b8b600e8e1",
        files="plain_text/{split}/*.parquet",
        prompt="{goal}\nAnswer: {option}\n\nIs the answer right?",
        options=("sol1", "sol2"),
        label="label",
        group="{goal}",
    ),
    "quail": Entry(
        hub="textmachinelab/quail",
        revision="2bd9d7f90a532fe1a910b70972cef5fda341c8fe",
        files="quail/{split}-*.parquet",
        splits=("train", "validation", "challenge"),
        prompt="{context}\n\nQuestion: {question}\nAnswer: {option}\n\nIs the answer right?",
        options=("answers",),
        label="correct_answer_id",
        group="{context_id}",
    ),
    "quartz": Entry(
        hub="allenai/quartz",
        revision="28c1dbb56caf81799296cb17892fa73402e23464",
        splits=("train", "validation", "test"),
        prompt="{para}\n\nQuestion: {question}\nAnswer: {option}\n\nIs the answer right?",
        options=("choices.text",),
        label="answerKey",
        names="choices.label",
        group="{para}",
    ),
    "sciq": Entry(
        hub="allenai/sciq",
        revision="2c94ad3e1aafab77146f384e23536f97a4849815",
        splits=("train", "validation", "test"),
        prompt="{question}\nAnswer: {option}\n\nIs the answer right?",
        options=("correct_answer", "distractor1", "distractor2", "distractor3"),
        group="{question}",
    ),
    "socialiqa": Entry(
        hub="allenai/social_i_qa",
        revision="537a2ec8ec565adc0b70b70752893e59e024df26",
        files="default/{split}/*.parquet",
        prompt="{context} {question}\nAnswer: {option}\n\nIs the answer right?",
        options=("answerA", "answerB", "answerC"),
        label="label",
        first=1,
        group="{context}",
    ),
    "sst2": Entry(
        hub="stanfordnlp/sst2", revision="8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb", prompt="{sentence}", label="label"
    ),
    "stackoverflow": Entry(prompt="{text}", label="label", classes=STACKOVERFLOW, first=1),
    "subj": Entry(
        hub="SetFit/subj",
        revision="f3c1162e678417f664d76b21864fdb87b0615fcf",
        files="{split}.jsonl",
        splits=("train", "test"),
        prompt="{text}",
        label="label",
        classes=("objective", "subjective"),
    ),
    "tweet-offensive": Entry(
        hub="cardiffnlp/tweet_eval",
        revision="b3a375baf0f409c77e6bc7aa35102b7b3534f8be",
        files="offensive/{split}-*.parquet",
        splits=("train", "validation", "test"),
        prompt="{text}",
        label="label",
        classes=("not-offensive", "offensive"),
    ),
    "tweet-sentiment": Entry(
        hub="cardiffnlp/tweet_eval",
        revision="b3a375baf0f409c77e6bc7aa35102b7b3534f8be",
        files="sentiment/{split}-*.parquet",
        splits=("train", "validation", "test"),
        prompt="{text}",
        label="label",
        classes=("negative", "neutral", "positive"),
    ),
    "twitter-sentiment": Entry(
        hub="EleutherAI/twitter-sentiment", revision="7c4f320", splits=("train", "test"), prompt="{text}", label="label"
    ),
    "wic": Entry(
        hub="aps/super_glue",
        revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
        files="wic/{split}-*.parquet",
        prompt="{sentence1}\n{sentence2}\n\nDoes {word} mean the same in both?",
        label="label",
        group="{word}",
    ),
}
