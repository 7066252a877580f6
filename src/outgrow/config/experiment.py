"""Builds an experiment from a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from outgrow.config import changes
from outgrow.config.changes import Change, changed
from outgrow.config.document import Document, Where, WrongError, copied, describe_place, load, refuse_odd, shown
from outgrow.config.records import ReadOptions, built, model, plugin, record, refuse_unknown, supervisor, values
from outgrow.config.seeds import Seeds, seeds_from
from outgrow.experiment.definition import Experiment
from outgrow.experiment.recipes import bundled
from outgrow.experiment.technique import Technique
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.naming import accepted_names
from outgrow.plugins import PACKAGE
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.types import UserError

OPTIONS = ("pairs", "score", "too_long", "precision", "direct")  # plain values
KEYS = ("task", "weak", "strong", "methods", "seeds", "sizes", "recipes", "metric", "analyses", "trackers", *OPTIONS)
EXAMPLES = {"task": '"chess-puzzles"', "weak": '"ladder/pawn"', "strong": '["ladder/knight", "ladder/bishop"]'}

V = TypeVar("V")


def read(
    path: str | Path,
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    *,
    plugins: bool = True,
) -> Experiment:
    """Read an experiment from a TOML file.

    Args:
        path: The file.
        overrides: Changes to its fields, such as `"sizes.test=500"`.
        seeds: How many seeds (`5`) or which (`[0, 1, 2]`), instead of those of the file.
        analyses: Names of analyses to add to those of the file.
        plugins: Import classes from outside the package, which runs their code; False refuses them.

    Returns:
        The experiment. Its models and tasks are not looked up yet.

    Raises:
        UserError: The file cannot be read, or a field or an override is wrong; the message names its line.

    Example:
        >>> experiment = outgrow.read("experiment.toml", overrides=["sizes.test=50"], seeds=[0])
        >>> experiment.seeds, experiment.sizes["test"]
        ((0,), 50)
    """
    return _experiment(load(Path(path)), changes.changes_from(overrides, seeds, analyses), plugins)


def experiment_from(
    table: Mapping[str, Any],
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
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
    return _experiment(Document(copied(table), folder), changes.changes_from(overrides, seeds, analyses), plugins)


def bundled_example() -> Path:
    """The default experiment, which runs if no file is given: from the wheel, or from the checkout."""
    candidates = (PACKAGE / "examples" / "chess.toml", PACKAGE.parents[1] / "examples" / "chess.toml")
    return next((path for path in candidates if path.exists()), candidates[-1])


def _experiment(document: Document, to_apply: Sequence[Change], plugins: bool) -> Experiment:
    try:
        return _built(changed(document, to_apply), plugins)
    except WrongError as error:
        raise _with_origin(document, to_apply, error, plugins) from None


def _with_origin(document: Document, to_apply: Sequence[Change], error: WrongError, plugins: bool) -> UserError:
    """The error with its origin: the first option with which it occurs, or else the line of the file."""
    for count, option in enumerate(["", *(change.option for change in to_apply)]):
        try:
            _built(changed(document, to_apply[:count]), plugins)
        except WrongError as repeated:
            if repeated.text == error.text:
                return UserError(f"{option}: {error.text}") if option else document.error(repeated)
    return document.error(error)


def _built(document: Document, plugins: bool) -> Experiment:
    """The experiment of a document. Raises WrongError."""
    table, options = document.table, ReadOptions(document.folder, document.typed, plugins)
    refuse_unknown(table, KEYS, ())
    for key, example in EXAMPLES.items():
        if key not in table:
            raise WrongError((), f"it has no {key!r}: set {key} = {example}, for example")
    options_given: dict[str, Any] = {key: table[key] for key in OPTIONS if key in table}
    if "metric" in table:
        options_given["metric"] = plugin("metric", table["metric"], ("metric",), options)
    if "analyses" in table:
        options_given["analyses"] = _axis(
            table["analyses"], ("analyses",), lambda raw, where: plugin("analysis", raw, where, options)
        )
    if "trackers" in table:
        options_given["trackers"] = _axis(
            table["trackers"], ("trackers",), lambda raw, where: plugin("tracker", raw, where, options)
        )
    if "seeds" in table:
        options_given["seeds"] = _seeds(table["seeds"])
    try:
        experiment = Experiment(
            tasks=_axis(table["task"], ("task",), lambda raw, where: plugin("task", raw, where, options)),
            weak=_axis(table["weak"], ("weak",), lambda raw, where: supervisor(raw, where, options)),
            strong=_axis(table["strong"], ("strong",), lambda raw, where: model(raw, where, options)),
            methods=_methods(table["methods"], options) if "methods" in table else (Technique(),),
            sizes=_sizes(table.get("sizes", {})),
            **options_given,
        )
        return replace(experiment, recipes=_recipes(table.get("recipes", {}), experiment, options))
    except UserError as error:  # about the experiment as a whole
        raise WrongError((), str(error)) from None


def _axis(raw: Any, where: Where, build: Callable[[Any, Where], V]) -> tuple[V, ...]:
    """An axis of the grid, from one value or a list of values."""
    if isinstance(raw, list):
        return tuple(build(item, (*where, i)) for i, item in enumerate(raw))
    return (build(raw, where),)


def _methods(raw: Any, options: ReadOptions) -> tuple[Technique, ...]:
    if not (isinstance(raw, list) and all(isinstance(each, dict) for each in raw)):
        raise WrongError(("methods",), "methods should be a list of tables: write each under a line [[methods]]")
    techniques: list[Technique] = []
    for i, table in enumerate(raw):
        where: Where = ("methods", i)
        if "label" not in table and not table.keys() - {field.name for field in fields(Technique)}:
            raise WrongError(where, f"methods[{i}] has no label: give it a name of its own")
        technique = record(Technique, table, where, options)
        others = {name for other in techniques for name in other.names}
        if called := next((name for name in technique.names if name in others), ""):
            text = f"two methods are called {called!r}: give each its own label"
            raise WrongError((*where, "label"), text)
        techniques.append(technique)
    return tuple(techniques)


def _seeds(raw: Any) -> tuple[int, ...]:
    if isinstance(raw, str):  # the text form is for the command line; TOML has lists
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
    """Recipes by task and model. `[recipes."ladder/pawn"]` changes fields of the model's default recipe on every task;
    with a field `name` it replaces the recipe."""
    if not isinstance(raw, dict):
        raise WrongError(("recipes",), 'recipes should be tables by model, such as [recipes."ladder/pawn"]')
    recipes: dict[tuple[str, str], Method] = {}
    for key, table in raw.items():
        where: Where = ("recipes", key)
        target = _model_named(key, experiment.models, where)
        if any(target.name == name for _, name in recipes):
            raise WrongError(where, f"recipes has two tables for {target.name!r}: write one")
        if not isinstance(table, dict):
            raise WrongError(where, f"{describe_place(where)} should be a table of hyperparameters")
        for task in experiment.tasks:
            recipes[task.name, target.name] = _recipe(table, task, target, where, options)
    return recipes


def _model_named(key: str, models: Sequence[Model], where: Where) -> Model:
    """The model that a key of `recipes` names: its name in tables, or a name with another part of its path.

    Raises WrongError if no model has that name, or several do.
    """
    by_name = {model.name: model for model in models}
    if key in by_name:
        return by_name[key]
    matches = {name: model for name, model in by_name.items() if key in accepted_names(model)}
    if len(matches) > 1:
        raise WrongError(where, f"recipes: {key!r} may be {' or '.join(map(repr, sorted(matches)))}: write which", key)
    if not matches:
        refuse_unknown({key: None}, by_name, ("recipes",), what="model")
    return next(iter(matches.values()))


def _recipe(table: dict[str, Any], task: Task, target: Model, where: Where, options: ReadOptions) -> Method:
    """The recipe of one model on one task."""
    if "name" in table:
        replacement: Method = plugin("method", table, where, options)
        return replacement
    default = bundled(task.short_name, target.short_name)
    defaults = {field.name: getattr(default, field.name) for field in fields(default)}
    return built(type(default), defaults | values(type(default), table, where, options), where)
