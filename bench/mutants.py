"""Small changes to the code that no test notices, found with mutmut: `make mutants`, or
`python -m bench.mutants measures labelling --sample 100`.

`[tool.mutants]` in pyproject.toml names the parts: the files that are mutated, then the tests that judge them. mutmut
works in the folder mutants/, a copy; the tree itself is never changed. A line is printed for each mutant that
survives: where it is, and the change. Messages of errors are not mutated.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COPY = Path("mutants")
SEED = 0
FINE = {"killed", "timeout"}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    name: str  # as mutmut gives it
    file: Path
    line: int
    old: str
    new: str
    in_raise: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old} -> {self.new}"


def main(arguments: list[str] | None = None) -> None:
    parts: dict[str, list[str]] = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutants"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(parts)}; all by default")
    parser.add_argument("--sample", type=int, default=100, help="how many mutants of each part (0: all)")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(parts):
        parser.error(f"no part {min(unknown)!r}: give any of {', '.join(parts)}")
    if len(given.parts) != 1:  # each in a process of its own: mutmut has one configuration and one state in each
        for part in given.parts or parts:
            subprocess.run([sys.executable, "-m", "bench.mutants", part, "--sample", str(given.sample)], check=True)
        return
    (part,) = given.parts
    files, *tests = parts[part]
    tried(part, files, tests, given.sample)


def tried(part: str, files: str, tests: list[str], sample: int) -> None:
    """Try a sample of the mutants of these files, and print the survivors and a line with the counts."""
    from mutmut import __main__ as mutmut
    from mutmut.configuration import config

    started = time.monotonic()
    config().only_mutate = [files]
    config().pytest_add_cli_args_test_selection = tests
    # Processes that tests start read the mutated copy too, and which mutant it is in the environment.
    os.environ["PYTHONPATH"] = str(COPY.resolve() / "src")
    os.environ["OMP_NUM_THREADS"] = "1"  # a forked process must not wait for threads of its parent: it would time out
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    with quiet(COPY / "mutmut.log"):
        mutmut.set_mutant_under_test("mutant_generation")  # type: ignore[attr-defined]
        mutmut.copy_src_dir()  # type: ignore[attr-defined]
        mutmut.create_mutants(1)
        mutants = {mutant.name: mutant for mutant in found() if not mutant.in_raise}
        names = sorted(mutants)
        chosen = sorted(random.Random(SEED).sample(names, sample)) if 0 < sample < len(names) else names
        mutmut._run(chosen, 1)
    ends = outcomes()
    survivors = [mutants[name] for name in chosen if ends[name] not in FINE]
    for mutant in sorted(survivors, key=lambda mutant: (mutant.file, mutant.line)):
        print(f"{mutant}  ({ends[mutant.name]}; {mutant.name})")
    counts = Counter(ends[name] for name in chosen)
    shown = ", ".join(f"{count} {end}" for end, count in counts.most_common())
    print(f"{part}: {len(chosen)} of {len(names)} mutants in {time.monotonic() - started:.0f} s: {shown}", flush=True)


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send what this process and its children print into a file, shown where it ends early."""
    sys.stdout.flush()
    kept = os.dup(1)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
    try:
        yield
    except SystemExit:
        sys.stderr.write(log.read_text())
        raise
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def outcomes() -> dict[str, str]:
    """What became of each mutant, by its name."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    ends: dict[str, str] = {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        ends |= {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
    return ends


def found() -> list[Mutant]:
    """All mutants in the copy."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import walk_mutatable_files

    mutants = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        tree = ast.parse(path.read_text())
        raising = {
            line
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise) and node.end_lineno
            for line in range(node.lineno, node.end_lineno + 1)
        }
        mutants += [located_mutant(name, path, tree, raising) for name in data.exit_code_by_key]
    return mutants


def located_mutant(name: str, path: Path, tree: ast.Module, raising: set[int]) -> Mutant:
    """Where in its file a mutant is: mutmut knows the text of the function before and after, not its place."""
    import libcst
    from mutmut.mutation.diff_apply import read_functions_from_index
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    function, owner = orig_function_and_class_names_from_key(name)
    body = tree.body if owner is None else next(each.body for each in classes(tree) if each.name == owner)
    starts = next(each.lineno for each in body if isinstance(each, ast.FunctionDef) and each.name == function)
    functions = read_functions_from_index(name, path)
    assert functions, f"mutmut has no text of {name}"
    before, after = (libcst.Module([each]).code.strip().split("\n") for each in functions)
    same = next(i for i in range(len(before)) if before[: i + 1] != after[: i + 1])
    tail = next(i for i in range(len(before)) if before[len(before) - i - 1 :] != after[len(after) - i - 1 :])
    above = next(i for i, line in enumerate(before) if line.startswith(f"def {function}("))  # comments, a decorator
    line = starts + same - above
    return Mutant(
        name=name,
        file=path,
        line=line,
        old=" ".join(map(str.strip, before[same : len(before) - tail])),
        new=" ".join(map(str.strip, after[same : len(after) - tail])),
        in_raise=line in raising,
    )


def classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


if __name__ == "__main__":
    main()
