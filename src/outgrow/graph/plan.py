"""The plan of a run: which steps are still to do, and why."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from statistics import fmean
from typing import Any

from outgrow.graph.difference import difference, leaves, why
from outgrow.graph.step import Step, identity
from outgrow.store import Damaged, Manifest, Store, versions
from outgrow.types import UserError

Steps = tuple[Step[Any], ...]
COMPARED = 200  # stored artifacts of a class that a new step is compared with


@dataclass(frozen=True)
class Plan:
    """The steps to run for some targets.

    todo: steps to run, inputs before readers. cached: finished steps that are targets, or inputs of steps to run.
    stored: every key of the store. read: the manifests of the cached steps. damaged: why artifacts cannot be used, by
    key.
    """

    targets: tuple[Step[Any], ...]
    todo: tuple[Step[Any], ...]
    cached: tuple[Step[Any], ...]
    stored: frozenset[str]
    read: dict[str, Manifest]
    damaged: dict[str, str]
    store: Store

    @cached_property
    def why(self) -> dict[str, str]:
        """For each step to do: how it differs from the most similar finished step of its kind, or its damage."""
        near = {kind: [leaves(manifest.identity) for manifest in each] for kind, each in self._finished.items()}
        return {
            step.key: self.damaged.get(step.key) or why(leaves(identity(step)), near[_kind(step.key)])
            for step in self.todo
        }

    @cached_property
    def seconds(self) -> dict[str, float]:
        """How long each step to do will take, by key: the mean of finished steps of its title, else its estimate."""
        took: dict[str, list[float]] = {}
        for manifest in chain.from_iterable(self._finished.values()):
            title, seconds = manifest.provenance.get("title"), manifest.provenance.get("seconds")
            if isinstance(title, str) and isinstance(seconds, float) and 0 <= seconds < math.inf:
                took.setdefault(title, []).append(seconds)
        known = {title: fmean(each) for title, each in took.items()}
        return {step.key: known.get(step.title) or step.estimate for step in self.todo}

    @cached_property
    def _finished(self) -> dict[str, list[Manifest]]:
        """The manifests of some finished steps of each kind that is to do."""
        found: dict[str, list[Manifest]] = {}
        for kind in {_kind(step.key) for step in self.todo}:
            keys = sorted(key for key in self.stored if _kind(key) == kind)[:COMPARED]
            read = self.store.manifests([key for key in keys if key not in self.read])
            each = (self.read.get(key) or read.get(key) for key in keys)
            found[kind] = [manifest for manifest in each if isinstance(manifest, Manifest)]
        return found


def _kind(key: str) -> str:
    return key.rpartition("-")[0]


def plan(targets: Sequence[Step[Any]], store: Store) -> Plan:
    """The steps that `targets` still need, with one listing of the store. Inputs of finished steps are not examined.

    Raises UserError if the store has a step's key with another identity.
    """
    stored = store.listing()
    read: dict[str, Manifest] = {}
    damaged: dict[str, str] = {}
    todo, cached = _split(targets, stored)
    while unread := [step for step in cached if step.key not in read]:
        manifests = store.manifests([step.key for step in unread])
        for step in unread:
            match manifests.get(step.key):
                case Manifest() as manifest:
                    compare(step, manifest, store)
                    read[step.key] = manifest
                case Damaged() as damage:
                    damaged[step.key] = damage.why
                case None:
                    damaged[step.key] = "its manifest has gone"
        todo, cached = _split(targets, stored - damaged.keys())
    return Plan(tuple(targets), todo, cached, stored, read, damaged, store)


def _split(targets: Sequence[Step[Any]], stored: Collection[str]) -> tuple[Steps, Steps]:
    """The steps to do, inputs first, and the finished steps where the search ends."""
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


def compare(step: Step[Any], manifest: Manifest, store: Store) -> None:
    """Raise UserError if a stored artifact has another identity than the step. Warn if another minor version of torch
    has computed it."""
    if manifest.identity != identity(step):
        changes = difference(leaves(manifest.identity), leaves(identity(step)))
        raise UserError(f"the store {store} holds {step.key} with another identity ({changes}): use another store")
    then, now = manifest.provenance.get("versions", {}).get("torch", ""), versions().get("torch", "")
    if then and then.split(".")[:2] != now.split(".")[:2]:
        warnings.warn(f"stored results come from torch {then}, this is {now}: numbers may differ", stacklevel=2)
