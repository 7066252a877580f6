"""How long a model takes to read or learn, and how much memory: counted from shapes, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from outgrow.experiment.data import Prepare
from outgrow.graph import Resources, Settings
from outgrow.methods.base import TextMethod
from outgrow.methods.lora import LoRA
from outgrow.models.base import Model
from outgrow.tasks.base import Readout, Task
from outgrow.training import footprint
from outgrow.training.classification import WINDOW
from outgrow.training.footprint import Architecture, Pass, pass_of
from outgrow.training.language_model import Generative
from outgrow.training.lengths import LengthLimit, too_long
from outgrow.training.loop import TrainingConfig
from outgrow.training.precision import attention
from outgrow.types import UserError

SPEED = 5e10  # operations a second, of one core
TOKENS = 32  # a text
EXAMPLES = 1000  # of a split that is used whole
WEIGHTS = 10**7  # of a model that cannot be opened without a download
START = 1.0  # seconds, to open a model
LONGEST = 512  # tokens, where a model has no limit
Trained = TextMethod | Generative
UNKNOWN = Architecture(parameters=WEIGHTS, layers=6, width=384, inner=1536, heads=12, vocabulary=30_000, sides=30_000)


def reading(model: Model, examples: Prepare) -> float:
    """About how many seconds a model takes to read examples once: two operations a weight and token."""
    return START + 2 * _weights(model) * TOKENS * (examples.n or EXAMPLES) / SPEED


def learning(model: Model, examples: Prepare, config: object) -> float:
    """About how many seconds a model takes to learn from examples: six operations a weight and token."""
    n = examples.n or EXAMPLES
    epochs = config.total(n) * config.batch / n if isinstance(config, TrainingConfig) else 1.0
    return START + 3 * epochs * (reading(model, examples) - START)


def to_read(model: Model, examples: Prepare, readout: Readout, precision: str, settings: Settings) -> Resources:
    """What a model needs to answer examples."""
    of, length = _architecture(model), _longest(examples.task, model)
    each = pass_of(settings.microbatch or WINDOW, length, precision=precision)
    each = replace(each, outputs=each.texts if readout == "tokens" else 0)
    return _resources(footprint.VALUE * of.parameters, footprint.answers(of, each), of, settings)


def to_read_texts(model: Model, settings: Settings) -> Resources:
    """What a model needs to read texts as long as it reads, or of `LONGEST` tokens where it has no limit."""
    of, limit = _architecture(model), LengthLimit.of(model, Settings(offline=True))
    each = pass_of(settings.microbatch or WINDOW, limit.longest if limit else LONGEST)
    return _resources(footprint.VALUE * of.parameters, footprint.answers(of, each), of, alone(settings))


def to_score_tokens(model: Model, examples: Prepare, settings: Settings) -> Resources:
    """What a causal model needs to give a probability to every token of examples."""
    of = _architecture(model)
    each = pass_of(WINDOW, _longest(examples.task, model))
    needed = footprint.answers(of, replace(each, outputs=each.tokens))
    return _resources(footprint.VALUE * of.parameters, needed, of, alone(settings))


def to_learn(model: Model, examples: Prepare, readout: Readout, method: Trained, settings: Settings) -> Resources:
    """What a model needs to learn from examples by a method that trains it. Generative supervision learns from every
    token, on one device."""
    of = _architecture(model)
    if isinstance(method, Generative):
        settings = alone(settings)
    each = of_pass(_longest(examples.task, model), readout, method, settings)
    trained = method.trained(of) if isinstance(method, TextMethod) else of.parameters
    weights = footprint.weights_to_learn(of, trained, method.precision)
    return _resources(weights, footprint.activations(of, each), of, settings)


def of_pass(length: int, readout: Readout, method: Trained, settings: Settings) -> Pass:
    """The largest micro-batch of a fit to texts of this length."""
    batch = _batch(method) * (2 if readout == "pair" else 1)
    each = pass_of(
        min(settings.microbatch or batch, batch),
        length,
        precision=method.precision,
        eager=attention(settings.device, method.precision) is not None,
        gradient_checkpointing=settings.gradient_checkpointing,
    )
    if readout != "tokens":
        return each
    return replace(each, outputs=each.tokens if isinstance(method, Generative) else each.texts)


def remedies(
    model: Model, examples: Prepare, readout: Readout, method: Trained, settings: Settings
) -> Iterator[tuple[str, Resources]]:
    """What a user may do where memory is too small for a fit, and what it needs then, least change first."""

    def needed(settings: Settings, method: Trained = method) -> Resources:
        return to_learn(model, examples, readout, method, settings)

    for rows in (16, 8, 4, 2, 1):
        if rows < (settings.microbatch or _batch(method)):
            yield f"--microbatch {rows}", needed(replace(settings, microbatch=rows))
    tight = replace(settings, microbatch=1, gradient_checkpointing=True)
    yield "--gradient-checkpointing --microbatch 1", needed(tight)
    if isinstance(method, TextMethod) and not isinstance(method, LoRA):
        low = LoRA(precision=method.precision)
        yield 'the method "lora"', needed(settings, low)
        yield 'the method "lora" with --gradient-checkpointing --microbatch 1', needed(tight, low)
    for shards in (2, 4, 8, 16):
        if shards > settings.shards and settings.device.startswith("cuda") and not isinstance(method, Generative):
            yield f"--shards {shards} --gradient-checkpointing --microbatch 1", needed(replace(tight, shards=shards))


def alone(settings: Settings) -> Settings:
    """The settings for a step that runs on one device, whatever the number of shards."""
    return replace(settings, shards=1)


def _resources(weights: float, activations: float, of: Architecture, settings: Settings) -> Resources:
    """The resources of a step with so many bytes of weights and activations, on one device or on all shards. Weights
    come to a GPU through the memory of the machine, which holds one model whole at a time."""
    shards = settings.shards
    each = weights / shards + activations + (footprint.gathered_at_once(of) if shards > 1 else 0)
    if not settings.device.startswith("cuda"):
        return Resources(cores=shards, memory_gb=shards * (footprint.PROCESS + each) / 1e9)
    gpu_gb = (footprint.CUDA + each) / 1e9
    memory_gb = (shards * footprint.CUDA_PROCESS + footprint.VALUE * of.parameters) / 1e9
    return Resources(cores=shards, gpus=_gpus(gpu_gb, settings), memory_gb=memory_gb, gpu_gb=gpu_gb)


def _gpus(gpu_gb: float, settings: Settings) -> float:
    """How many GPUs a step takes: one for each shard, or the share of one that its memory asks for."""
    if settings.shards > 1:
        return settings.shards
    if settings.per_gpu == 1 or not settings.gpu_gb:
        return 1
    return min(1.0, max(1 / settings.per_gpu, gpu_gb / settings.gpu_gb))


@lru_cache(maxsize=256)
def _architecture(model: Model) -> Architecture:
    """The sizes of a model; those of a small one where it cannot be opened without a download."""
    settings = Settings(offline=True)
    try:
        folder = model.local_folder(settings)
        return footprint.architecture(folder) if folder and folder.is_dir() else UNKNOWN
    except UserError:
        return UNKNOWN


@lru_cache(maxsize=1024)
def _longest(task: Task, model: Model) -> int:
    """How many tokens the longest text of a task has that the model reads whole."""
    try:
        limit = LengthLimit.of(model, Settings(offline=True))
        return min(limit.longest, too_long(task, limit).tokens or LONGEST) if limit else LONGEST
    except UserError:
        return LONGEST


@lru_cache(maxsize=256)
def _weights(model: Model) -> int:
    try:
        return model.parameters(Settings(offline=True))
    except UserError:
        return WEIGHTS


def _batch(method: Trained) -> int:
    return method.batch if isinstance(method, TrainingConfig) else TrainingConfig().batch
