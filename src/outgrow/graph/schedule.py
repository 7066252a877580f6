"""Which steps may start, in which order, and which of them this run has leased."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from outgrow.graph.step import Step

LARGEST_GROUP = 64  # steps that are computed together

Steps = tuple[Step[Any], ...]


class Schedule:
    """The steps that may start: those whose inputs are done, first the one whose remaining chain takes longest.

    A step starts once it is leased. started: keys that must not be started again. leased: keys that are leased already.
    worker: if given, steps whose chains are about as long have an order of this worker, so that several workers of a
    store rarely want the same. can_do: steps for which it is false are left to others.
    """

    def __init__(
        self,
        todo: Sequence[Step[Any]],
        seconds: Mapping[str, float],
        *,
        started: Collection[str] = (),
        leased: Collection[str] = (),
        worker: str = "",
        can_do: Callable[[Step[Any]], bool] = lambda step: True,
    ) -> None:
        self.todo = todo
        self._index = {step.key: i for i, step in enumerate(todo)}
        self._seconds = [seconds[step.key] for step in todo]
        self._missing = [0] * len(todo)
        self._readers: list[list[int]] = [[] for _ in todo]
        for i, step in enumerate(todo):
            inputs = {self._index[parent.key] for parent in step.inputs() if parent.key in self._index}
            self._missing[i] = len(inputs)
            for j in inputs:
                self._readers[j].append(i)
        chain = [0.0] * len(todo)
        for i in reversed(range(len(todo))):  # readers come after their inputs
            chain[i] = self._seconds[i] + max((chain[j] for j in self._readers[i]), default=0.0)
        self._rank = [_rank(each, step.key, worker) for each, step in zip(chain, todo, strict=True)]
        self._fits = [can_do(step) for step in todo]
        self._leased = {self._index[key] for key in leased if key in self._index}
        self._ended: set[int] = set()
        self._ready: list[tuple[Any, int]] = []  # leased steps that may start
        self._free: list[tuple[Any, int]] = []  # steps that may start once they are leased
        for i, step in enumerate(todo):
            if not self._missing[i] and step.key not in started:
                self._offer(i)

    def next(self, slots: int = 1, fits: Callable[[Step[Any]], bool] = lambda step: True) -> Steps:
        """The next leased step that may start and for which there is room, with its share of the ready steps of its
        group where `slots` workers are free; () where none may start."""
        first = self._pop(self._ready, fits)
        if first is None or first.group is None:
            return (first,) if first else ()
        alike = sorted(
            each for each in self._ready if each[1] not in self._ended and _is_alike(self.todo[each[1]], first)
        )
        taken = alike[: min(-(-(len(alike) + 1) // slots), LARGEST_GROUP) - 1]
        self._ready = [each for each in self._ready if each not in set(taken)]
        heapq.heapify(self._ready)
        return (first, *(self.todo[i] for _, i in taken))

    def bundle(
        self,
        seconds: float,
        fits: Callable[[Step[Any]], bool] = lambda step: True,
        slots: Callable[[Step[Any]], float] = lambda step: 1.0,
    ) -> Steps:
        """Steps to lease that take about so many seconds: ready ones for which there is room, each followed by those
        that then may start. Of a group that it begins it has all of these, since they are cheaper together.

        slots: of how many slots a step takes the time, because no more of its kind have room at once.

        They are given once: afterwards `lease` has those that were leased, and `offer` is for ready ones that were not.
        """
        bundle: list[int] = []
        groups: set[str] = set()
        missing: dict[int, int] = {}
        total = 0.0
        while total < seconds and (root := self._pop(self._free, fits)):
            following = [self._index[root.key]]
            while following:
                i = following.pop()
                if bundle and total >= seconds and self.todo[i].group not in groups:
                    continue
                bundle.append(i)
                total += self._seconds[i] * slots(self.todo[i])
                if (group := self.todo[i].group) and group not in groups:
                    groups.add(group)
                    following += self._pop_group(group)
                for j in self._readers[i]:
                    missing[j] = missing.get(j, self._missing[j]) - 1
                    if not missing[j] and self._fits[j] and j not in self._ended and j not in self._leased:
                        following.append(j)
        return tuple(self.todo[i] for i in bundle)

    def lease(self, bundle: Steps, leased: Collection[str]) -> Steps:
        """The ready steps of a bundle that could not be leased. leased: the keys of those that could."""
        missed = []
        for step in bundle:
            i = self._index[step.key]
            if step.key in leased:
                self._leased.add(i)
                if not self._missing[i]:
                    self._offer(i)
            elif not self._missing[i]:
                missed.append(step)
        return tuple(missed)

    def give_up(self, keys: Collection[str]) -> None:
        """Steps that are no longer leased and were not started."""
        left = {self._index[key] for key in keys if key in self._index}
        self._leased -= left
        moved = [each for each in self._ready if each[1] in left]
        self._ready = [each for each in self._ready if each[1] not in left]
        heapq.heapify(self._ready)
        for _, i in moved:
            self._offer(i)

    def offer(self, step: Step[Any]) -> None:
        """A ready step that may be leased again."""
        if (i := self._index.get(step.key)) is not None:  # a new plan may need it no more
            self._leased.discard(i)
            self._offer(i)

    def finished(self, step: Step[Any]) -> None:
        """A step whose artifact is stored, by whatever run. Steps that missed only that may start."""
        i = self._index.get(step.key)
        if i is None or i in self._ended:
            return
        self._ended.add(i)
        for j in self._readers[i]:
            self._missing[j] -= 1
            if not self._missing[j]:
                self._offer(j)

    def failed(self, step: Step[Any]) -> None:
        """A step that will not be computed, so that those that need it cannot start."""
        if (i := self._index.get(step.key)) is not None:
            self._ended.add(i)

    @property
    def seconds_left(self) -> float:
        """How long the steps take that have not ended."""
        return sum(seconds for i, seconds in enumerate(self._seconds) if i not in self._ended)

    @property
    def unfit(self) -> Steps:
        """The steps that may start, but need more than the worker has."""
        return tuple(
            step
            for i, step in enumerate(self.todo)
            if not self._fits[i] and not self._missing[i] and i not in self._ended
        )

    def _pop(
        self, heap: list[tuple[Any, int]], fits: Callable[[Step[Any]], bool] = lambda step: True
    ) -> Step[Any] | None:
        """The first step of a heap that fits. Those before it stay there."""
        passed, found = [], None
        while heap and found is None:
            entry = heapq.heappop(heap)
            if entry[1] in self._ended:
                continue
            if fits(self.todo[entry[1]]):
                found = self.todo[entry[1]]
            else:
                passed.append(entry)
        for entry in passed:
            heapq.heappush(heap, entry)
        return found

    def _pop_group(self, group: str) -> list[int]:
        """The free steps of a group."""
        mates = [i for _, i in self._free if self.todo[i].group == group and i not in self._ended]
        self._free = [each for each in self._free if each[1] not in set(mates)]
        heapq.heapify(self._free)
        return mates

    def _offer(self, i: int) -> None:
        if self._fits[i] and i not in self._ended:
            heapq.heappush(self._ready if i in self._leased else self._free, (self._rank[i], i))


def _rank(chain: float, key: str, worker: str) -> tuple[float, str]:
    """Smaller is earlier."""
    if not worker:
        return -chain, ""
    return -round(math.log2(chain + 0.01)), hashlib.sha256(f"{worker} {key}".encode()).hexdigest()


def _is_alike(step: Step[Any], first: Step[Any]) -> bool:
    return type(step) is type(first) and step.group == first.group
