"""What a user holds of experiments: the results of one, read when they are used, and two of them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outgrow.experiment.definition import Experiment
from outgrow.graph import Failure, Outcome
from outgrow.store import Store
from outgrow.types import UserError

if TYPE_CHECKING:
    from outgrow.finding import Finding
    from outgrow.report.results import Results as Numbers


@dataclass(frozen=True)
class Results:
    """The results of an experiment, read from its store when they are first used.

    Attributes:
        experiment: The experiment, with every task and model identified by its content.
        store: The store that the results are read from.
        outcome: Which steps the run computed, found stored, failed or skipped; None without a run.
        untracked: Why trackers of the experiment could not write the results of this run, one line each.
        toml: The experiment as TOML, with `overrides` and `seeds` applied; "" if it was given as an `Experiment`.

    Example:
        >>> results = outgrow.run("experiment.toml", on="inline")
        >>> results.records[0]["n_seeds"]
        2
    """

    experiment: Experiment
    store: Store
    outcome: Outcome | None = None
    toml: str = ""
    untracked: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The steps that failed in this run, each with its reason; empty without a run."""
        return self.outcome.failures if self.outcome else ()

    @cached_property
    def numbers(self) -> Numbers:
        """The results as dataclasses: records with their estimates by name, and what is missing, with the reason."""
        from outgrow.report import results

        return results.read(self.experiment, self.store, self.failures)

    @property
    def records(self) -> list[dict[str, Any]]:
        """A flat dict for each task, supervisor, student and method over all seeds (`seed` None) and for each seed.

        `pandas.DataFrame(results.records)` is a table of them. `outgrow.report.record.Record` explains the fields.
        """
        return [record.to_dict() for record in self.numbers.records]

    def frame(self, library: Literal["pandas", "pyarrow"] = "pandas") -> Any:
        """The records as a table: a `pandas.DataFrame`, or a `pyarrow.Table`, which needs no other package.

        Raises:
            UserError: pandas is not installed.

        Example:
            >>> results = outgrow.results("experiment.toml", seeds=[0])
            >>> results.frame("pyarrow").num_rows == len(results.records)
            True
        """
        if library == "pandas":
            try:
                import pandas as pd
            except ImportError:
                raise UserError('a frame needs pandas: pip install pandas, or use frame("pyarrow")') from None
            return pd.DataFrame(self.records)
        import pyarrow as pa

        return pa.Table.from_pylist(self.records)

    def sliced(self, facet: str) -> Numbers:
        """`numbers` over all seeds, for each slice of the test examples. See `by`."""
        from outgrow.report.slices import read_by

        return read_by(self.experiment, self.store, facet, self.failures)

    def by(self, facet: str) -> list[dict[str, Any]]:
        """The records over all seeds for each slice of the test examples.

        Args:
            facet: A property of test examples that a task knows, such as `"rating"` or `"theme"`.

        Raises:
            UserError: No task knows the facet; the message lists the facets that they know.
        """
        return [record.to_dict() for record in self.sliced(facet).records]

    @cached_property
    def findings(self) -> dict[str, Finding]:
        """What each analysis of the experiment found, by its name: a sentence, a table and a figure as data.

        Example:
            >>> results = outgrow.results("experiment.toml", analyses=["imitation"])
            >>> results.findings["imitation"].sentence
            'Nothing is computed yet: run the experiment.'
        """
        from outgrow.report.findings import read as read_findings

        return read_findings(self.experiment, self.store, self.failures)

    def examples(self, selection: str) -> list[dict[str, Any]]:
        """The test examples that some models have right and others wrong, for each comparison.

        Args:
            selection: Such as `"student right, supervisor wrong"`; also `ceiling`, `direct` and `zero-shot`.

        Returns:
            A flat dict for each example, those of most seeds first: its id, prompt and right choices, and for each role
            its answer and `ROLE_p`, the probability of that, with the first of the `seeds` for which it is so.

        Raises:
            UserError: `selection` names no role, or one that no comparison has.

        Example:
            >>> results = outgrow.results("experiment.toml")
            >>> results.examples("student right, supervisor wrong")
            []
        """
        from outgrow.report.example_tables import flat
        from outgrow.report.examples import read as read_examples

        return flat(read_examples(self.experiment, self.store, selection))

    def table(self, width: int = 140) -> str:
        """The records over all seeds as a text table of at most `width` columns."""
        from rich.console import Console

        from outgrow.report.tables import table

        console = Console(width=width, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(table(self.numbers.aggregates))
        return captured.get()

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the results as one HTML page and return its path.

        Args:
            path: The file; its folder is made if it does not exist.

        Raises:
            UserError: The file cannot be written.

        Example:
            >>> results = outgrow.results("experiment.toml")
            >>> results.report("page.html")
            PosixPath('page.html')
        """
        from outgrow.report.page import write

        write(self.experiment, self.store, Path(path), self.failures, self.toml)
        return Path(path)

    def site(self, folder: str | Path) -> Path:
        """Write the results as a small site of static pages and return its index: an answer first, then a page an
        analysis and a page a comparison, with examples.

        Args:
            folder: Made if it does not exist. A former site in it is replaced; nothing else is touched.

        Raises:
            UserError: The folder holds anything but a former site, or cannot be written to.

        Example:
            >>> results = outgrow.results("experiment.toml")
            >>> results.site("site")
            PosixPath('site/index.html')
        """
        from outgrow.report.site import INDEX, write

        write(self.experiment, self.store, Path(folder), self.failures, self.toml)
        return Path(folder) / INDEX


@dataclass(frozen=True)
class Compared:
    """Two experiments side by side.

    Attributes:
        names: What the two are called.
        finding: What their common comparisons differ by: a sentence, a table and a figure as data.
    """

    names: tuple[str, str]
    finding: Finding

    def text(self, format: str = "table") -> str:
        """The finding as `table`, `md`, `json`, `csv` or `svg`. Raises UserError for another format."""
        from outgrow.report.findings import FINDING_FORMATS, text

        if format not in FINDING_FORMATS:
            raise UserError(f"no format called {format!r}: choose one of {', '.join(FINDING_FORMATS)}")
        return text("compare", self.finding, format)

    def report(self, path: str | Path) -> Path:
        """Write the finding as one HTML page and return its path. Raises UserError if it cannot be written."""
        from outgrow.report.side_by_side import write

        write(Path(path), self.names, self.finding)
        return Path(path)


def compare(first: Results, second: Results, names: tuple[str, str] = ("first", "second")) -> Compared:
    """What the comparisons that two experiments have in common differ by: the second minus the first.

    A comparison is in both where the names of its task, supervisor, student and method are. Differences are paired by
    seed and example where both have the same test examples and seeds, by example where the seeds differ, and not paired
    where the test examples do.

    Args:
        first, second: The results of two experiments, of one store or of two.
        names: What the two are called.

    Returns:
        The finding, with its table as text in several formats and as a page.

    Raises:
        UserError: They have nothing in common, or are scored in different ways.

    Example:
        >>> all_seeds = outgrow.results("experiment.toml")
        >>> outgrow.compare(all_seeds, outgrow.results("experiment.toml", seeds=[0])).finding.sentence
        'Nothing is computed yet on both sides: run the experiments.'
    """
    from outgrow.report.compared import Side, compared

    sides = (
        Side(name=name, experiment=results.experiment, store=results.store)
        for name, results in zip(names, (first, second), strict=True)
    )
    return Compared(names, compared(*sides))
