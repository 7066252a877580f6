"""The NLP sets: every entry on rows with the published columns; real rows where a mirror lies at hand."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from string import Formatter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import CLASSIFIED, PUBLISHED
from text_files import shared, write_jsonl

from outgrow import hub
from outgrow.tasks.base import SPLITS
from outgrow.tasks.nlp import Nlp
from outgrow.tasks.text import Text
from outgrow.text.sets import TABLE
from outgrow.types import UserError

COMMIT = "0" * 40


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An OUTGROW_DATA without a network behind it."""
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    (tmp_path / "text").mkdir()
    return tmp_path / "text"


def prompts_by_class(task: Nlp) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"no": [], "yes": []}
    for row in task.load().rows:
        found[row.example.choices[row.answer.index(1.0)]].append(row.example.prompt)
    return found


def test_every_set_has_published_rows() -> None:
    assert {*PUBLISHED, *CLASSIFIED} == set(TABLE)
    assert {name for name, entry in TABLE.items() if entry.keeps_classes} == set(CLASSIFIED)


def classes_by_prompt(task: Nlp) -> list[tuple[str, str]]:
    rows = task.load().rows
    return [(row.example.prompt, row.example.choices[row.answer.index(1.0)]) for row in rows]


@pytest.mark.parametrize("name", CLASSIFIED)
def test_published_rows_keep_their_classes(name: str, mirror: Path) -> None:
    published = CLASSIFIED[name]
    expected = [(f"text number{i}", label) for i, label in enumerate(published.classes)]
    for rows in (published.rows, published.local or published.rows):
        write_jsonl(mirror / f"{name.replace('-', '_')}.jsonl", rows)
        task = Nlp(set=name).pinned()
        assert classes_by_prompt(task) == expected
        assert task.load().rows[0].example.choices == (TABLE[name].classes or tuple(sorted(published.classes)))


def test_a_set_with_classes_is_what_text_makes_of_its_file(mirror: Path) -> None:
    rows = [{"text": f"word{i} term{i} thing{i}", "label": ("neg", "pos")[i % 3 == 0]} for i in range(90)]
    path = write_jsonl(mirror / "mr.jsonl", rows)
    published, own = Nlp(set="mr").pinned(), Text(path=str(path), prompt="{text}", label="label").pinned()
    assert published.load().answers == own.load().answers, "all rows, not as many of either class"
    for split in SPLITS:
        assert published.examples(split, None, 0) == own.examples(split, None, 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rows_become_questions(name: str, mirror: Path) -> None:
    published = PUBLISHED[name]
    write_jsonl(mirror / f"{name.replace('-', '_')}.jsonl", published.rows)
    found = prompts_by_class(Nlp(set=name).pinned())
    assert len(found["yes"]) == len(found["no"]) == 1, "as many of either answer"
    assert found["yes"][0].startswith(published.yes)
    assert found["no"][0].startswith(published.no)


HUB = [name for name, entry in TABLE.items() if entry.hub]


@pytest.mark.parametrize("name", HUB)
def test_the_hub_s_files_give_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    entry, request = TABLE[name], dict[str, Any]()
    rows = CLASSIFIED[name].rows if name in CLASSIFIED else PUBLISHED[name].rows

    def snapshot_download(repo: str, **options: Any) -> str:
        request.update(options, repo=repo)
        for pattern in options["allow_patterns"]:
            file = tmp_path / pattern.replace("*", "00000-of-00001")
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".parquet":
                pq.write_table(pa.Table.from_pylist(rows), file)
            else:
                write_jsonl(file, rows)  # the same rows in every split: each counts once
        return str(tmp_path)

    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(hub, "_resolved", lambda repo, revision, kind: revision.ljust(40, "0"))
    task = Nlp(set=name).pinned()
    requested = (request["repo"], request["revision"], request["repo_type"])
    assert requested == (entry.hub, task.revision, "dataset")
    assert task.revision.startswith(entry.revision)
    if name in CLASSIFIED:
        assert classes_by_prompt(task)[0] == ("text number0", CLASSIFIED[name].classes[0])
        return
    found = prompts_by_class(task)
    assert found["yes"][0].startswith(PUBLISHED[name].yes)
    assert found["no"][0].startswith(PUBLISHED[name].no)


@pytest.mark.parametrize("name", HUB)
def test_a_set_is_read_at_a_commit(name: str) -> None:
    """Of two only the abbreviation is known: it is looked up among the repository's commits."""
    whole = "[0-9a-f]{7}" if name in ("mctaco", "twitter-sentiment") else "[0-9a-f]{40}"
    assert re.fullmatch(whole, TABLE[name].revision)


def test_an_abbreviated_commit_is_looked_up_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    class Commit:
        def __init__(self, commit_id: str) -> None:
            self.commit_id = commit_id

    short = TABLE["mctaco"].revision
    whole = short + "0" * (40 - len(short))
    there = {"main": [COMMIT], "refs/convert/parquet": ["1" * 40, whole]}

    def commits(repo: str, *, repo_type: str, revision: str) -> list[Commit]:
        assert (repo, repo_type) == ("CogComp/mc_taco", "dataset")
        return [Commit(each) for each in there[revision]]

    def snapshot_download(repo: str, *, revision: str, **options: Any) -> str:
        assert revision == whole, "the hub finds no commit by an abbreviation"
        for split in ("validation", "test"):
            folder = tmp_path / "plain_text" / split
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(PUBLISHED["mctaco"].rows), folder / "0000.parquet")
        return str(tmp_path)

    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    monkeypatch.setattr(huggingface_hub, "list_repo_commits", commits)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    task = Nlp(set="mctaco").pinned()
    assert task.revision == whole
    assert task.load().rows
    there["main"].append(short + "1" * 33)
    with pytest.raises(
        UserError, match=r"2 commits of the hub's 'CogComp/mc_taco' begin with '9916937': give one in full"
    ):
        Nlp(set="mctaco").pinned()
    with pytest.raises(UserError, match="0 commits of the hub's 'CogComp/mc_taco' begin with 'abcdef0'"):
        Nlp(set="mctaco", revision="abcdef0").pinned()


def test_without_a_network_an_abbreviation_means_what_was_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def unreachable(*args: Any, **options: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "list_repo_commits", unreachable)
    monkeypatch.setattr(huggingface_hub, "dataset_info", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    whole = "9916937" + "0" * 33
    (tmp_path / "datasets--CogComp--mc_taco" / "snapshots" / whole).mkdir(parents=True)
    assert hub.commit_of("CogComp/mc_taco", "9916937", "dataset") == whole
    for unknown in ("9", "/9916937", "9916938"):
        with pytest.raises(UserError, match="cannot be reached: connect once"):
            hub.commit_of("CogComp/mc_taco", unknown, "dataset")


def test_a_branch_is_resolved_once_and_the_commit_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    request = []

    class Info:
        sha = COMMIT

    def dataset_info(repo: str, revision: str) -> Info:
        request.append((repo, revision))
        return Info()

    for split in ("train", "validation"):
        (tmp_path / "data").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(PUBLISHED["boolq"].rows), tmp_path / "data" / f"{split}-0.parquet")
    monkeypatch.setattr(huggingface_hub, "dataset_info", dataset_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo, **options: str(tmp_path))
    task = Nlp(set="boolq", revision="main").pinned()
    assert task.revision == COMMIT
    assert task.pinned() == task
    assert request == [("google/boolq", "main")]


def test_a_commit_without_the_files_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo, **options: str(tmp_path))
    with pytest.raises(UserError, match=r"google/boolq has no data/train-\*\.parquet at 0000000000.*: give another"):
        Nlp(set="boolq", revision=COMMIT).pinned()


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*args: Any, **options: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    monkeypatch.setattr(huggingface_hub, "dataset_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for task in (Nlp(set="piqa"), Nlp(set="piqa", revision=COMMIT), Nlp(set="piqa", revision="main")):
        with pytest.raises(UserError, match=r"ybisk/piqa.*OUTGROW_DATA") as error:
            task.pinned()
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"text/comve\.jsonl"):
        Nlp(set="comve").pinned()


@pytest.mark.parametrize("name", TABLE)
def test_a_file_without_the_published_columns_is_reported(name: str, mirror: Path) -> None:
    path = write_jsonl(mirror / "other.jsonl", [{"text": "x", "instruction": "y", "scenario": "z"}])
    with pytest.raises(
        UserError, match=r"other\.jsonl has no column '.*': it has text, instruction, scenario"
    ) as error:
        Nlp(set=name, path=str(path)).pinned().load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", TABLE)
def test_no_question_is_made_of_the_answer(name: str) -> None:
    entry = TABLE[name]
    named = {field for _, field, _, _ in Formatter().parse(entry.prompt + entry.group) if field}
    assert entry.label not in named
    assert entry.prompt.count("{option}") == bool(entry.options)


def test_a_question_s_answers_stay_together_and_one_wrong_one_is_drawn(mirror: Path) -> None:
    rows = [
        {
            "question": f"question {i}?",
            "correct_answer": f"right {i}",
            **{f"distractor{j}": f"wrong {i} {j}" for j in (1, 2, 3)},
        }
        for i in range(40)
    ]
    write_jsonl(mirror / "sciq.jsonl", rows)
    found = Nlp(set="sciq").pinned().load().rows
    assert set(Counter(row.example.group for row in found).values()) == {2}
    wrong = Counter(line.split("\n")[1][-1] for line in (row.example.prompt for row in found if row.answer[0]))
    assert len(wrong) == 3, "wrong answers come from every place"


def test_an_option_that_recurs_is_drawn_as_often_as_others(mirror: Path) -> None:
    """Or its presence alone would tell that the answer is wrong, or right."""
    rows = [
        {"question": f"question {i}?", "correct_answer": f"right {i}", "distractor1": "none of these"}
        | {f"distractor{j}": f"wrong {i} {j}" for j in (2, 3)}
        for i in range(300)
    ]
    write_jsonl(mirror / "sciq.jsonl", rows)
    prompts = [row.example.prompt for row in Nlp(set="sciq").pinned().load().rows if row.answer[0]]
    assert len(prompts) == 300
    assert 70 <= sum("none of these" in prompt for prompt in prompts) <= 130


def test_classes_are_cut_to_the_same_size_and_the_rest_is_counted(mirror: Path) -> None:
    rows = [{"sentence": f"word{i} term{i} thing{i}", "label": int(i % 4 == 0)} for i in range(40)]
    write_jsonl(mirror / "sst2.jsonl", rows)
    source = Nlp(set="sst2").pinned().load()
    assert Counter(row.answer for row in source.rows) == {(1.0, 0.0): 10, (0.0, 1.0): 10}
    assert dict(source.dropped) == {"to balance the classes": 20}


@pytest.mark.parametrize("yes", [1, 1.0, "1", "1.0", True, "True", "TRUE"])
def test_an_answer_is_the_same_in_any_form(yes: Any, mirror: Path) -> None:
    rows = [{"sentence": f"word{i} term{i}", "label": label} for i, label in enumerate((yes, 0.0, yes, "False"))]
    write_jsonl(mirror / "sst2.jsonl", rows)
    assert prompts_by_class(Nlp(set="sst2").pinned()) == {
        "no": ["word1 term1", "word3 term3"],
        "yes": ["word0 term0", "word2 term2"],
    }


def test_an_option_is_right_in_any_form_and_wrong_in_none(mirror: Path) -> None:
    """The label is a number or a letter; an option that repeats the right one in other letters is not the wrong one."""
    piqa = {"goal": "open a jar", "sol1": "Turn it.", "sol2": "Hit it.", "label": "1.0"}
    write_jsonl(mirror / "piqa.jsonl", [piqa])
    assert "Hit it." in prompts_by_class(Nlp(set="piqa").pinned())["yes"][0]
    choices = {"text": ["Red", "red ", "blue"], "label": ["A", "B", "C"]}
    write_jsonl(mirror / "quartz.jsonl", [{"para": "p", "question": "q", "choices": choices, "answerKey": "a"}])
    found = prompts_by_class(Nlp(set="quartz").pinned())
    assert "Red" in found["yes"][0]
    assert "blue" in found["no"][0]


def test_groups_are_compared_in_one_form(mirror: Path) -> None:
    rows = [
        {"passage": passage, "question": f"question {i}", "answer": i % 2}
        for i, passage in enumerate(("caf\u00e9 au lait", "Cafe\u0301  au\r\nlait", "tea", "TEA"))
    ]
    write_jsonl(mirror / "boolq.jsonl", rows)
    groups = [row.example.group for row in Nlp(set="boolq").pinned().load().rows]
    assert groups[0] == groups[1] != groups[2] == groups[3]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("sst2", {"sentence": "a", "label": [1]}),
        ("sst2", {"sentence": {"a": 1}, "label": 1}),
        ("quartz", {"para": "p", "question": "q", "choices": "red", "answerKey": "A"}),
        ("quartz", {"para": "p", "question": "q", "choices": None, "answerKey": "A"}),
        ("quartz", {"para": "p", "question": "q", "choices": {"text": [["a"]], "label": ["A"]}, "answerKey": "A"}),
    ],
)
def test_a_cell_of_another_kind_is_named_with_its_row(name: str, row: dict[str, Any], mirror: Path) -> None:
    write_jsonl(mirror / f"{name}.jsonl", [PUBLISHED[name].rows[0], row])
    with pytest.raises(UserError, match=rf"{name}\.jsonl, row 2: a cell h.*: give the set as it is published"):
        Nlp(set=name).pinned().load()


def test_mistakes_are_reported_in_one_line(mirror: Path) -> None:
    with pytest.raises(UserError, match="no set called 'bolq'"):
        Nlp(set="bolq")
    write_jsonl(mirror / "boolq.jsonl", [{"question": "is it", "passage": "It is."}])
    with pytest.raises(UserError, match=r"no column 'answer': it has question, passage"):
        Nlp(set="boolq").pinned().load()


def test_a_file_that_changed_since_is_an_error(mirror: Path) -> None:
    path = write_jsonl(mirror / "boolq.jsonl", PUBLISHED["boolq"].rows)
    task = Nlp(set="boolq").pinned()
    write_jsonl(path, PUBLISHED["boolq"].rows[::-1])
    with pytest.raises(UserError, match="has changed"):
        task.load()


@pytest.mark.parametrize(
    ("name", "rows", "classes"),
    [
        *(("ag-news", 15_576, 4), ("banking77", 13_071, 77), ("clickbait", 31_999, 2), ("clinc150", 22_491, 150)),
        *(("emotion", 19_948, 6), ("mr", 10_678, 2), ("stackoverflow", 19_980, 20), ("subj", 10_015, 2)),
        *(("tweet-offensive", 14_022, 2), ("tweet-sentiment", 14_277, 3)),
    ],
)
def test_real_rows_with_classes(name: str, rows: int, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_DATA", str(shared(f"text/{name.replace('-', '_')}.jsonl.gz").parents[1]))
    source = Nlp(set=name).pinned().load()
    assert (len(source.rows), len({row.answer for row in source.rows})) == (rows, classes)
    assert "no label" not in dict(source.dropped)


@pytest.mark.parametrize(("name", "least"), [("boolq", 2400), ("openbookqa", 9500)])
def test_real_rows(name: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_DATA", str(shared(f"text/{name}.jsonl.gz").parents[1]))
    task = Nlp(set=name).pinned()
    answers = Counter(row.answer for row in task.load().rows)
    assert sum(answers.values()) > least
    assert answers[0.0, 1.0] == answers[1.0, 0.0]
    assert len(task.examples("test", None, 0)) > least / 10
