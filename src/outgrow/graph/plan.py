"""What is still to do, and why."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from outgrow.graph.difference import Leaves, difference, leaves, why
from outgrow.graph.step import Step, identity
from outgrow.store import Damaged, Manifest, Store, versions
from outgrow.types import UserError

Steps = tuple[Step[Any], ...]
COMPARED = 200  # stored artifacts of a class that a new step is compared with


@dataclass(frozen=True)
class Plan:
    """`todo`: steps to run, inputs before readers. `cached`: finished steps that the targets are or read."""

    targets: tuple[Step[Any], ...]
    todo: tuple[Step[Any], ...]
    cached: tuple[Step[Any], ...]
    stored: frozenset[str]
    damaged: dict[str, str]
    store: Store

    @cached_property
    def why(self) -> dict[str, str]:
        """For each step to do, why it is new: how it differs from the most similar finished one of its class."""
        kinds = {step.key.rpartition("-")[0] for step in self.todo}
        near: dict[str, list[Leaves]] = {}
        for kind in kinds:
            keys = sorted(key for key in self.stored if key.rpartition("-")[0] == kind)[:COMPARED]
            found = self.store.manifests(keys).values()
            near[kind] = [leaves(m.identity) for m in found if isinstance(m, Manifest)]
        return {
            step.key: self.damaged.get(step.key) or why(leaves(identity(step)), near[step.key.rpartition("-")[0]])
            for step in self.todo
        }


def plan(targets: Sequence[Step[Any]], store: Store) -> Plan:
    """The steps `targets` still need, with one listing of the store. A finished step is not looked behind.

    Raises UserError if the store holds a step's key with another identity.
    """
    stored = store.listing()
    damaged: dict[str, str] = {}
    todo, cached = _split(targets, stored)
    trusted: set[str] = set()
    while unknown := [step for step in cached if step.key not in trusted]:
        damage = _untrusted(unknown, store)
        trusted.update(step.key for step in unknown)
        damaged |= damage
        todo, cached = _split(targets, stored - damaged.keys())
    return Plan(tuple(targets), todo, cached, stored, damaged, store)


def _split(targets: Sequence[Step[Any]], stored: Collection[str]) -> tuple[Steps, Steps]:
    """What to do, inputs first, and the finished steps where the search stops."""
    todo: dict[str, Step[Any]] = {}
    cached: dict[str, Step[Any]] = {}
    entered: set[str] = set()
    stack = [(step, False) for step in reversed(targets)]
    while stack:
        step, inputs_done = stack.pop()
        if inputs_done:
            todo[step.key] = step
        elif step.key not in entered:
            entered.add(step.key)
            if step.key in stored:
                cached[step.key] = step
            else:
                stack.append((step, True))
                stack.extend((parent, False) for parent in reversed(step.inputs()))
    return tuple(todo.values()), tuple(cached.values())


def _untrusted(steps: Sequence[Step[Any]], store: Store) -> dict[str, str]:
    """Look at the manifests of finished steps: which of them are not what they seem, and why."""
    found = store.manifests([step.key for step in steps])
    damaged: dict[str, str] = {}
    for step in steps:
        match found.get(step.key):
            case Manifest() as manifest:
                compare(step, manifest, store)
            case Damaged() as damage:
                damaged[step.key] = damage.why
            case None:
                damaged[step.key] = "its manifest has gone"
    return damaged


def compare(step: Step[Any], manifest: Manifest, store: Store) -> None:
    """A hit must have the identity that the step has; another minor version of torch warns."""
    if manifest.identity != identity(step):
        found = difference(leaves(manifest.identity), leaves(identity(step)))
        raise UserError(f"the store {store} holds {step.key} with another identity ({found}): use another store")
    then, now = manifest.provenance.get("versions", {}).get("torch", ""), versions().get("torch", "")
    if then and then.split(".")[:2] != now.split(".")[:2]:
        warnings.warn(f"stored results come from torch {then}, this is {now}: numbers may differ", stacklevel=2)
