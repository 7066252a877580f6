"""A task of texts that the tiny models read, with a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slots import Worded

from outgrow.tasks.base import Readout


@dataclass(frozen=True, kw_only=True)
class WordedHead(Worded):
    """Two classes that all examples share."""

    readout: ClassVar[Readout] = "head"
    name = "worded"


@dataclass(frozen=True, kw_only=True)
class OneOfSeveral(WordedHead):
    """The same under a name of its own, by its number of rows."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"worded/{self.rows}"


SEVERAL = tuple(OneOfSeveral(digest="fake", rows=rows) for rows in range(400, 405))
