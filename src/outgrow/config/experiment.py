"""From a document to an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from outgrow.config import changes
from outgrow.config.changes import Change, changed
from outgrow.config.document import Document, Where, WrongError, copied, load, refuse_odd, say, shown
from outgrow.config.records import ReadOptions, built, model, plugin, record, refuse_unknown, supervisor, values
from outgrow.config.seeds import Seeds, seeds_from
from outgrow.experiment import Experiment
from outgrow.experiment.recipes import bundled
from outgrow.experiment.technique import Technique
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.naming import accepted_names
from outgrow.plugins import HERE
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.types import UserError

KEYS = ("task", "weak", "strong", "methods", "seeds", "sizes", "recipes", "pairs", "score", "too_long")
EXAMPLES = {"task": '"chess-puzzles"', "weak": '"ladder/pawn"', "strong": '["ladder/knight", "ladder/bishop"]'}

V = TypeVar("V")


def read(path: str | Path, sets: Sequence[str] = (), seeds: Seeds | None = None, *, plugins: bool = True) -> Experiment:
    """The experiment that a TOML file asks for. `sets`: `field=value` changes; `seeds`: 5, [0, 1, 2], "5" or "0,1,2".

    Classes from outside the package are imported, unless `plugins` is False: then they are refused. Raises UserError
    with the file and the line, or the option, and what is wrong there.
    """
    return _experiment(load(Path(path)), sets, seeds, plugins)


def experiment_from(
    table: Mapping[str, Any],
    sets: Sequence[str] = (),
    seeds: Seeds | None = None,
    *,
    folder: Path = Path(),
    plugins: bool = True,
) -> Experiment:
    """The experiment that a table asks for, as `read` makes it of a file. Relative paths are relative to `folder`.

    Raises UserError that says which field is wrong, and why.
    """
    try:
        refuse_odd(table)
    except WrongError as wrong:
        raise UserError(wrong.text) from None
    return _experiment(Document(copied(table), folder), sets, seeds, plugins)


def bundled_example() -> Path:
    """The experiment that runs when no file is given: in the wheel, or in the checkout."""
    candidates = (HERE / "examples" / "chess.toml", HERE.parents[1] / "examples" / "chess.toml")
    return next((path for path in candidates if path.exists()), candidates[-1])


def _experiment(document: Document, sets: Sequence[str], seeds: Seeds | None, plugins: bool) -> Experiment:
    made = [changes.assignment(said) for said in sets]
    if seeds is not None:
        made.append(changes.seeds(seeds))
    try:
        return _built(changed(document, made), plugins)
    except WrongError as wrong:
        raise _blamed(document, made, wrong, plugins) from None


def _blamed(document: Document, made: Sequence[Change], wrong: WrongError, plugins: bool) -> UserError:
    """The error with what is to blame: the first option with which it occurs, or else the line of the file."""
    for count, option in enumerate(["", *(change.option for change in made)]):
        try:
            _built(changed(document, made[:count]), plugins)
        except WrongError as again:
            if again.text == wrong.text:
                return UserError(f"{option}: {wrong.text}") if option else document.error(again)
    return document.error(wrong)


def _built(document: Document, plugins: bool) -> Experiment:
    """Raises WrongError."""
    table, options = document.table, ReadOptions(document.folder, document.typed, plugins)
    refuse_unknown(table, KEYS, ())
    for key, example in EXAMPLES.items():
        if key not in table:
            raise WrongError((), f"it has no {key!r}: say {key} = {example}, for example")
    others: dict[str, Any] = {key: table[key] for key in ("pairs", "score", "too_long") if key in table}
    if "seeds" in table:
        others["seeds"] = _seeds(table["seeds"])
    try:
        found = Experiment(
            tasks=_axis(table["task"], ("task",), lambda raw, where: plugin("task", raw, where, options)),
            weak=_axis(table["weak"], ("weak",), lambda raw, where: supervisor(raw, where, options)),
            strong=_axis(table["strong"], ("strong",), lambda raw, where: model(raw, where, options)),
            methods=_methods(table["methods"], options) if "methods" in table else (Technique(),),
            sizes=_sizes(table.get("sizes", {})),
            **others,
        )
        return replace(found, recipes=_recipes(table.get("recipes", {}), found, options))
    except UserError as error:  # of the experiment as a whole
        raise WrongError((), str(error)) from None


def _axis(raw: Any, where: Where, build: Callable[[Any, Where], V]) -> tuple[V, ...]:
    """One value, or a list of them: an axis of the grid."""
    if isinstance(raw, list):
        return tuple(build(each, (*where, i)) for i, each in enumerate(raw))
    return (build(raw, where),)


def _methods(raw: Any, options: ReadOptions) -> tuple[Technique, ...]:
    if not (isinstance(raw, list) and all(isinstance(each, dict) for each in raw)):
        raise WrongError(("methods",), "methods should be a list of tables: write each under a line [[methods]]")
    found: list[Technique] = []
    for i, table in enumerate(raw):
        where: Where = ("methods", i)
        if "label" not in table and not table.keys() - {each.name for each in fields(Technique)}:
            raise WrongError(where, f"methods[{i}] has no label: give it a name of its own")
        made = record(Technique, table, where, options)
        if any(made.label == other.label for other in found):
            text = f"two methods are called {made.label!r}: give each its own label"
            raise WrongError((*where, "label"), text)
        found.append(made)
    return tuple(found)


def _seeds(raw: Any) -> tuple[int, ...]:
    if isinstance(raw, str):  # a file has lists of its own
        raise WrongError(("seeds",), f"seeds is {shown(raw)} but should be a list such as [0, 1, 2], or how many: 5")
    try:
        return seeds_from(raw)
    except UserError as error:
        raise WrongError(("seeds",), str(error)) from None


def _sizes(raw: Any) -> dict[Split, int | None]:
    if not isinstance(raw, dict):
        raise WrongError(("sizes",), f"sizes is {shown(raw)} but should be a table, such as {{ test = 2000 }}")
    refuse_unknown(raw, SPLITS, ("sizes",))
    for split, n in raw.items():
        if n != "all" and (type(n) is not int or n < 1):
            text = f'sizes.{split} is {shown(n)} but should be a number of examples above 0, or "all"'
            raise WrongError(("sizes", split), text)
    return {split: None if raw[split] == "all" else raw[split] for split in SPLITS if split in raw}


def _recipes(raw: Any, experiment: Experiment, options: ReadOptions) -> dict[tuple[str, str], Method]:
    """`[recipes."ladder/pawn"]` changes fields of that model's recipe on every task; with a name it replaces it."""
    if not isinstance(raw, dict):
        raise WrongError(("recipes",), 'recipes should be tables by model, such as [recipes."ladder/pawn"]')
    found: dict[tuple[str, str], Method] = {}
    for key, table in raw.items():
        where: Where = ("recipes", key)
        chosen = _meant(key, experiment.models, where)
        if any(chosen.name == name for _, name in found):
            raise WrongError(where, f"recipes has two tables for {chosen.name!r}: write one")
        if not isinstance(table, dict):
            raise WrongError(where, f"{say(where)} should be a table of hyperparameters")
        for task in experiment.tasks:
            found[task.name, chosen.name] = _recipe(table, task, chosen, where, options)
    return found


def _meant(key: str, models: Sequence[Model], where: Where) -> Model:
    """The model that a key of recipes names: by the name in tables, or with as much of its path as tells it apart."""
    named = {each.name: each for each in models}
    if key in named:
        return named[key]
    meant = {name: each for name, each in named.items() if key in accepted_names(each)}
    if len(meant) > 1:
        raise WrongError(where, f"recipes: {key!r} may be {' or '.join(map(repr, sorted(meant)))}: write which", key)
    if not meant:
        refuse_unknown({key: None}, named, ("recipes",), what="model")
    return next(iter(meant.values()))


def _recipe(table: dict[str, Any], task: Task, chosen: Model, where: Where, options: ReadOptions) -> Method:
    if "name" in table:
        replaced: Method = plugin("method", table, where, options)
        return replaced
    usual = bundled(task.short, chosen.short)
    kept = {each.name: getattr(usual, each.name) for each in fields(usual)}
    return built(type(usual), kept | values(type(usual), table, where, options), where)
