"""Everything in the caller's process, which is afterwards as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from toys import Number

from outgrow.executors.base import THREADS
from outgrow.executors.inline import Inline
from outgrow.graph import Context, Event, Settings, Step, run
from outgrow.store import Store


@dataclass(frozen=True, kw_only=True)
class Threads(Step[Number]):
    """The limit that a library imported now would read; fails if asked to."""

    result = Number
    how: str = ""

    def run(self, ctx: Context) -> Number:
        import torch

        os.environ["SET_BY_A_STEP"] = "1"
        if self.how == "error":
            raise ValueError("boom")
        if self.how == "interrupt":
            raise KeyboardInterrupt
        assert {os.environ[name] for name in THREADS} == {str(torch.get_num_threads())}
        return Number(torch.get_num_threads())


@pytest.mark.parametrize("how", ["", "error", "interrupt"])
@pytest.mark.parametrize("given", [None, "7"])
def test_threads_and_environment_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, given: str | None
) -> None:
    import torch

    for name in THREADS:
        monkeypatch.delenv(name, raising=False) if given is None else monkeypatch.setenv(name, given)
    environment, before = dict(os.environ), torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        with Inline() as executor:
            try:
                outcome = run([Threads(how=how)], Store(str(tmp_path)), executor, Settings(threads=3))
                assert len(outcome.failures) == (how == "error")
            except KeyboardInterrupt:
                assert how == "interrupt"
        assert torch.get_num_threads() == 5
        assert dict(os.environ) == environment
    finally:
        torch.set_num_threads(before)


def test_a_library_that_a_step_imports_first_has_the_threads_it_would_have_had(tmp_path: Path) -> None:
    code = (
        "import sys, os; sys.path[:0] = sys.argv[2:]\n"
        "from test_inline import *\n"
        "assert 'torch' not in sys.modules\n"
        "with Inline() as executor: run([Threads()], Store(sys.argv[1]), executor, Settings(threads=1))\n"
        "import torch; assert torch.get_num_threads() == 3, torch.get_num_threads()\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    environment = {**os.environ, **dict.fromkeys(THREADS, "3")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *folders], env=environment, check=True)


def test_an_error_of_the_watcher_is_raised(tmp_path: Path) -> None:
    def watch(event: Event) -> None:
        if event.kind == "started":
            raise BrokenPipeError("closed")

    store = Store(str(tmp_path))
    with Inline() as executor:
        with pytest.raises(BrokenPipeError, match="closed"):
            run([Threads()], store, executor, watch=watch)
        assert not run([Threads()], store, executor).failures
    assert store.storage.names("leases") == set()
