"""What a user asks for, as records: an experiment from a TOML file, a table or records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from outgrow.config import Seeds, as_toml, experiment_from, read, seeds_from
from outgrow.experiment.definition import Experiment
from outgrow.graph import Settings
from outgrow.plugins import find, is_ours
from outgrow.preflight import checked
from outgrow.supervisors.base import Supervisor
from outgrow.types import UserError

Source = Experiment | Mapping[str, Any] | str | Path  # records, a table, or a TOML file
DEFAULT_SETTINGS = Settings()


def resolved(
    source: Source,
    *,
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    plugins: bool = True,
    settings: Settings = DEFAULT_SETTINGS,
) -> Experiment:
    """An experiment as records, every task and model identified by its content. Arguments as in `outgrow.run`.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist: data, splits, and the headers and
            tokenizers of checkpoints are read. A CollectedError has several such messages.
    """
    if isinstance(source, Experiment):
        if overrides:
            raise UserError("overrides are changes to a file or a table: change an Experiment with dataclasses.replace")
        experiment = source if seeds is None else replace(source, seeds=seeds_from(seeds))
        experiment = _with_analyses(experiment, analyses, plugins)
    else:
        make: Any = experiment_from if isinstance(source, Mapping) else read
        experiment = make(source, overrides, seeds, analyses, plugins=plugins)
    if not plugins:
        _refuse_foreign(experiment)
    return checked(experiment, settings)


def _with_analyses(experiment: Experiment, names: Sequence[str], plugins: bool) -> Experiment:
    """The experiment with these analyses too."""
    known = [analysis.name for analysis in experiment.analyses]
    added = tuple(find("analysis", name, plugins=plugins)() for name in names if name not in known)
    return replace(experiment, analyses=(*experiment.analyses, *added))


def _refuse_foreign(record: Any) -> None:
    """Raise UserError if a record, or one in its fields, is of a class from outside the package."""
    if is_dataclass(record) and not isinstance(record, type):
        if not is_ours(type(record)):
            name = f"{type(record).__module__}:{type(record).__qualname__}"
            raise UserError(f"{name!r} is from outside the package, which --no-plugins (plugins=False) refuses")
        if isinstance(record, Supervisor) and record.code:
            raise UserError(f"{record.code} is code, which --no-plugins (plugins=False) refuses")
        record = tuple(getattr(record, each.name) for each in fields(record))
    inner = record.values() if isinstance(record, Mapping) else record if isinstance(record, tuple) else ()
    for each in inner:
        _refuse_foreign(each)


def toml_of(source: Source, overrides: Sequence[str], seeds: Seeds | None, analyses: Sequence[str]) -> str:
    """The experiment as TOML, with the changes; "" for records."""
    return "" if isinstance(source, Experiment) else as_toml(source, overrides, seeds, analyses)
