"""Which checkpoints steps load, and as what: whether they can be loaded is known before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from outgrow.cache import cached
from outgrow.content import digest_of_code
from outgrow.experiment.pretrained import Adapt, Contaminate
from outgrow.experiment.steps import Features, Fit, ZeroShot
from outgrow.graph import Settings, Step, identity
from outgrow.methods.base import TextMethod
from outgrow.models.base import Model
from outgrow.types import Problems, Readout, UserError

if TYPE_CHECKING:
    from outgrow.training.checkpoint import Kind


class Load(NamedTuple):
    """A checkpoint that a step loads. drawn: a head that it lacks is drawn."""

    model: Model
    kind: Kind
    drawn: bool


def check_checkpoints(steps: Iterable[Step[Any]], settings: Settings) -> None:
    """Raises UserError, or CollectedError, for checkpoints that the steps could not load: one message for each.

    Config and headers are compared with the model that transformers makes of them. That takes the import of
    transformers, once for each checkpoint on a machine. Bundled checkpoints are not looked at, nor those that are not
    downloaded yet.
    """
    loads: dict[Model, list[Load]] = {}
    for load in dict.fromkeys(load for step in steps if (load := _load(step))):
        loads.setdefault(load.model, []).append(load)
    problems = Problems()
    for each in loads.values():
        with problems.collecting():
            for load in each:
                _check(load, settings)
    problems.raise_collected()


def _load(step: Step[Any]) -> Load | None:
    """What a step loads from a model's own checkpoint."""
    match step:
        case Fit(method=TextMethod(), model=model, readout=readout):
            return Load(model, _kind(readout), drawn=readout != "tokens")
        case ZeroShot(model=model, readout=readout):
            return Load(model, _kind(readout), drawn=False)
        case Adapt(model=model) | Contaminate(model=model):
            return Load(model, "language model", drawn=False)
        case Features(source=Model() as model):
            return Load(model, "encoder", drawn=False)
    return None


def _kind(readout: Readout) -> Kind:
    return "language model" if readout == "tokens" else "classifier"


def _check(load: Load, settings: Settings) -> None:
    if load.model.sizes():
        return
    folder = load.model.local_folder(settings)
    if folder is None or not folder.is_dir():
        return
    model = load.model if load.model.digest else load.model.pinned()

    def found() -> str | None:
        from outgrow.training.network import check_network

        try:
            check_network(load.kind, folder, settings, drawn=load.drawn)
        except UserError as error:
            return str(error)
        return None

    key = [identity(model), str(folder), load.kind, load.drawn, settings.trust_remote_code, settings.trust_pickle]
    code = [digest_of_code("training", "models", "models/header"), version("transformers"), version("torch")]
    if message := cached("loadable", [key, code], found):
        raise UserError(message)
