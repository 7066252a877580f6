"""From a TOML table to an experiment's records. The only importer of pydantic."""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from outgrow.document import Document, Where, WrongError, changed, load, say
from outgrow.experiment import Experiment
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.plugins import find, names, nearest
from outgrow.recipes import bundled
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.technique import Ensemble, Technique
from outgrow.types import UserError

if TYPE_CHECKING:
    from outgrow.pretrain import Pretrain

BASES: dict[type, str] = {Task: "task", Model: "model", Loss: "loss", Rule: "rule", Method: "method"}
KEYS = ("task", "weak", "strong", "methods", "seeds", "sizes", "recipes", "pairs", "score", "too_long")
EXAMPLES = {"task": '"chess-puzzles"', "weak": '"ladder/pawn"', "strong": '["ladder/knight", "ladder/bishop"]'}

V = TypeVar("V")


def read(path: str | Path, sets: Sequence[str] = (), seeds: str | None = None) -> Experiment:
    """The experiment that a TOML file asks for. `sets`: `field=value` changes; `seeds`: "5", or "0,1,2".

    Raises UserError with the file, the line and what is wrong there.
    """
    return _experiment(load(Path(path)), sets, seeds)


def experiment_from(
    table: Mapping[str, Any], sets: Sequence[str] = (), seeds: str | None = None, *, folder: Path = Path()
) -> Experiment:
    """The same from a table. Relative paths in it are relative to `folder`."""
    return _experiment(Document(dict(table), folder), sets, seeds)


def pretraining(path: str | Path) -> Pretrain:
    """The training of a ladder model that a recipe asks for.

    `mined` and `masters` are a folder and a file, `puzzles` a list of files whose positions no line may touch (nor does
    one touch a row of the tables that lie beside the mined games), all relative to the recipe; the tables `mix` and
    `held_out` count the lines to train and to validate on; everything else is a field of `Pretrain`.
    """
    from outgrow.chess.corpus import Mix
    from outgrow.pretrain import Pretrain, corpus_step

    document = load(Path(path))
    table = dict(document.table)
    try:
        for key in ("mined", "masters", "mix", "held_out"):
            if key not in table:
                raise WrongError((), f"it has no {key!r}")
        mined, masters = (
            Path(_located(_plain(str, table.pop(key), (key,)), (key,), document.folder)) for key in ("mined", "masters")
        )
        named = enumerate(_plain(list[str], table.pop("puzzles", []), ("puzzles",)))
        puzzles = [Path(_located(each, ("puzzles", i), document.folder)) for i, each in named]
        mix, held_out = (_value(Mix, table.pop(key), (key,), document.folder) for key in ("mix", "held_out"))
        train = corpus_step(mined, masters, puzzles, mix, "train")
        validation = corpus_step(mined, masters, puzzles, held_out, "validation")
        return _record(Pretrain, table, (), document.folder, corpus=train, held_out=validation)
    except WrongError as wrong:
        raise document.error(wrong) from None


def bundled_example() -> Path:
    """The experiment that runs when no file is given: in the wheel, or in the checkout."""
    here = Path(__file__).parent
    candidates = (here / "examples" / "chess.toml", here.parents[1] / "examples" / "chess.toml")
    return next((path for path in candidates if path.exists()), candidates[-1])


def _experiment(document: Document, sets: Sequence[str], seeds: str | None) -> Experiment:
    if seeds is not None:
        text = seeds.strip()
        sets = [*sets, f"seeds={text if text.isdigit() or text[:1] == '[' else f'[{text}]'}"]
    document = changed(document, sets)
    table, folder = document.table, document.folder
    try:
        _refuse_unknown(table, KEYS, ())
        for key, example in EXAMPLES.items():
            if key not in table:
                raise WrongError((), f"it has no {key!r}: say {key} = {example}, for example")
        weak = _axis(table["weak"], ("weak",), lambda raw, where: _supervisors(raw, where, folder))
        strong = _axis(table["strong"], ("strong",), lambda raw, where: _model(raw, where, folder))
        tasks: tuple[Task, ...]
        tasks = _axis(table["task"], ("task",), lambda raw, where: _plugin("task", raw, where, folder))
        methods = _methods(table["methods"], folder) if "methods" in table else (Technique(),)
        models = {model.name for model in (*weak, *strong, *(rung for method in methods for rung in method.via))}
        models |= {model.name for side in weak if isinstance(side, Ensemble) for model in side.models}
        others: dict[str, Any] = {key: table[key] for key in ("pairs", "score", "too_long") if key in table}
        if "seeds" in table:
            others["seeds"] = _seeds(table["seeds"])
        return Experiment(
            tasks=tasks,
            weak=weak,
            strong=strong,
            methods=methods,
            **others,
            sizes=_sizes(table.get("sizes", {})),
            recipes=_recipes(table.get("recipes", {}), tasks, models, folder),
        )
    except WrongError as wrong:
        raise document.error(wrong) from None


def _axis(raw: Any, where: Where, build: Callable[[Any, Where], V]) -> tuple[V, ...]:
    """One value, or a list of them: an axis of the grid."""
    if isinstance(raw, list):
        return tuple(build(each, (*where, i)) for i, each in enumerate(raw))
    return (build(raw, where),)


def _supervisors(raw: Any, where: Where, folder: Path) -> Model | Ensemble:
    """A model, or a list of models that label together."""
    if isinstance(raw, list) and raw:
        return Ensemble(models=tuple(_model(each, (*where, i), folder) for i, each in enumerate(raw)))
    return _model(raw, where, folder)


def _model(raw: Any, where: Where, folder: Path) -> Model:
    """`family/size` of a bundled family or of a plug-in; every other string is a checkpoint: a folder or a hub name."""
    if isinstance(raw, str):
        family, _, size = raw.partition("/")
        if ":" in family or family in names("model"):
            raw = {"name": family, "size": size}
        elif typo := difflib.get_close_matches(family, names("model"), n=1, cutoff=0.8):
            literal = f'{{ name = "hf", size = "{raw}" }}'
            text = f"no model family called {family!r}. Did you mean '{typo[0]}/{size}'? (a checkpoint: {literal})"
            raise WrongError(where, text, raw)
        else:
            raw = {"name": "hf", "size": raw}
    model: Model = _plugin("model", raw, where, folder)
    return model


def _methods(raw: Any, folder: Path) -> tuple[Technique, ...]:
    if not (isinstance(raw, list) and all(isinstance(each, dict) for each in raw)):
        raise WrongError(("methods",), "methods should be a list of tables: write each under a line [[methods]]")
    seen: set[str] = set()
    for i, table in enumerate(raw):
        if "label" not in table and not table.keys() - {f.name for f in fields(Technique)}:
            raise WrongError(("methods", i), f"methods[{i}] has no label: give it a name of its own")
        if "label" in table and (label := str(table["label"])) in seen:
            raise WrongError(("methods", i, "label"), f"two methods are called {label!r}: give each its own label")
        seen.add(str(table.get("label")))
    return tuple(_record(Technique, table, ("methods", i), folder) for i, table in enumerate(raw))


def _seeds(raw: Any) -> tuple[int, ...]:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0:
        return tuple(range(raw))
    if isinstance(raw, list) and raw and all(type(seed) is int and seed >= 0 for seed in raw):
        if twice := [seed for i, seed in enumerate(raw) if seed in raw[:i]]:
            raise WrongError(("seeds",), f"seeds lists {twice[0]} twice: name each once")
        return tuple(raw)
    raise WrongError(("seeds",), f"seeds is {raw!r} but should be a list such as [0, 1, 2], or how many: 5")


def _sizes(raw: Any) -> dict[Split, int | None]:
    if not isinstance(raw, dict):
        raise WrongError(("sizes",), f"sizes is {raw!r} but should be a table, such as {{ test = 2000 }}")
    _refuse_unknown(raw, SPLITS, ("sizes",))
    for split, n in raw.items():
        if n != "all" and (type(n) is not int or n < 1):
            text = f'sizes.{split} is {n!r} but should be a number of examples above 0, or "all"'
            raise WrongError(("sizes", split), text)
    return {split: None if raw[split] == "all" else raw[split] for split in SPLITS if split in raw}


def _recipes(raw: Any, tasks: Sequence[Task], models: Set[str], folder: Path) -> dict[tuple[str, str], Method]:
    """`[recipes."ladder/pawn"]` changes fields of that model's recipe on every task; with a name it replaces it."""
    if not isinstance(raw, dict):
        raise WrongError(("recipes",), 'recipes should be tables by model, such as [recipes."ladder/pawn"]')
    _refuse_unknown(raw, models, ("recipes",), what="model")
    found: dict[tuple[str, str], Method] = {}
    for model, table in raw.items():
        where: Where = ("recipes", model)
        if not isinstance(table, dict):
            raise WrongError(where, f"{say(where)} should be a table of hyperparameters")
        for task in tasks:
            if "name" in table:
                found[task.name, model] = _plugin("method", table, where, folder)
            else:
                usual = bundled(task.name, model)
                values = {each.name: getattr(usual, each.name) for each in fields(usual)}
                found[task.name, model] = _built(
                    type(usual), values | _fields(type(usual), table, where, folder), where
                )
    return found


def _plugin(kind: str, raw: Any, where: Where, folder: Path) -> Any:
    """`"confidence"` or `{ name = "confidence", weight = 0.5 }` -> `Confidence(weight=0.5)`."""
    table = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(table, dict):
        text = f'{say(where)} is {raw!r} but should be a {kind}: "name", or {{ name = "...", ... }}'
        raise WrongError(where, text, str(raw))
    name = table.get("name")
    if not isinstance(name, str):
        raise WrongError(
            where, f"{say(where)} does not say which {kind}: give it a name, one of {', '.join(names(kind))}"
        )
    try:
        found = find(kind, name)
    except UserError as error:
        raise WrongError((*where, "name") if raw is table else where, str(error), name) from None
    return _record(found, {key: each for key, each in table.items() if key != "name"}, where, folder)


def _record(kind: type[V], table: Mapping[str, Any], where: Where, folder: Path, **given: Any) -> V:
    values = _fields(kind, table, where, folder) | given
    for each in fields(kind):  # type: ignore[arg-type]
        if each.init and each.name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise WrongError(where, f"{say(where) or 'it'} needs a field {each.name!r}")
    return _built(kind, values, where)


def _built(kind: type[V], values: Mapping[str, Any], where: Where) -> V:
    try:
        return kind(**values)
    except UserError as error:
        raise WrongError(where, f"{say(where)}: {error}") from None


def _fields(kind: type[Any], table: Mapping[str, Any], where: Where, folder: Path) -> dict[str, Any]:
    """The values of a table as the fields of a record want them."""
    known = _settable(kind)
    _refuse_unknown(table, known, where)
    values = {}
    for key, raw in table.items():
        each, hint = known[key]
        values[key] = _value(hint, raw, (*where, key), folder)
        if each.metadata.get("identity") is False and isinstance(values[key], str):
            is_name = issubclass(kind, Model) and _is_name(kind, raw, folder)
            values[key] = raw if is_name else _located(values[key], (*where, key), folder)
    return values


def _is_name(kind: type[Model], size: str, folder: Path) -> bool:
    """Whether a size is one that comes with the package or a name on a hub or of a package, and not a path."""
    is_path = size[:1] in (*"./~$", "") or size.endswith(".gguf") or (folder / size).is_dir()
    return size in kind.sizes() or not is_path


def _settable(kind: type[Any]) -> dict[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(kind)
    return {each.name: (each, hints[each.name]) for each in fields(kind) if each.init and each.name != "digest"}


def _value(hint: Any, raw: Any, where: Where, folder: Path) -> Any:
    """`raw` as the annotation `hint` wants it: a plug-in, a record, a tuple of such, or something plain."""
    for member in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if member in BASES:
            return _model(raw, where, folder) if member is Model else _plugin(BASES[member], raw, where, folder)
        if is_dataclass(member) and isinstance(member, type) and isinstance(raw, dict):
            return _record(member, raw, where, folder)
        if get_origin(member) is tuple and isinstance(raw, list):
            items = get_args(member)
            kinds = [items[0]] * len(raw) if items[-1] is ... else items
            if len(kinds) == len(raw):
                return tuple(_value(k, r, (*where, i), folder) for i, (k, r) in enumerate(zip(kinds, raw, strict=True)))
    return _plain(hint, raw, where)


def _plain(hint: Any, raw: Any, where: Where) -> Any:
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(raw)
    except ValidationError as error:
        wants = {each["msg"].removeprefix("Input ").removeprefix("should be ") for each in error.errors()}
        expected = " or ".join(sorted(wants - {"None"})).replace("a valid tuple", "a list")
    except PydanticSchemaGenerationError:
        expected = "a table"
    raise WrongError(where, f"{say(where)} is {raw!r} but should be {expected}", str(raw))


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: Where, what: str = "field") -> None:
    known = list(known)
    for key in table:
        if key not in known:
            place = f"{say(where)}: " if where else ""
            hint = nearest(key, known) or f" Known: {', '.join(sorted(known)) or 'none'}"
            raise WrongError((*where, key), f"{place}no {what} called {key!r}.{hint}", key)


def _located(path: str, where: Where, folder: Path) -> str:
    """A path in a file is relative to that file; `$OUTGROW_DATA` at its start stands for a folder of this machine."""
    if not path:
        return path
    if path.startswith("$OUTGROW_DATA"):
        return str(_data_folder(where)) + path.removeprefix("$OUTGROW_DATA")
    if path.startswith("$"):
        raise WrongError(where, f"{say(where)} starts with {path.partition('/')[0]}: only $OUTGROW_DATA is known", path)
    return str((folder / Path(path).expanduser()).absolute())


def _data_folder(where: Where) -> Path:
    if given := os.environ.get("OUTGROW_DATA"):
        return Path(given).expanduser().absolute()
    checkout = Path(__file__).parents[2]
    for beside in (Path.cwd(), checkout):
        if (folder := beside.parent / "shared" / "data").is_dir():
            return folder
    raise WrongError(
        where, f"{say(where)} needs $OUTGROW_DATA: set it to the folder that holds the data", "$OUTGROW_DATA"
    )
