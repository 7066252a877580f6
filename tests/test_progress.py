"""The live display's state, its estimate, and the plain lines."""

from __future__ import annotations

import io

import pytest

from outgrow.graph import Event
from outgrow.progress import State, _display, duration, showing


def planned(state: State, *keys: str, seconds: float = 1.0) -> None:
    for key in keys:
        state.update(Event(kind="planned", key=key, title=f"title of {key[0]}", seconds=seconds))


def test_the_estimate_is_what_was_expected_until_a_step_of_the_title_ends() -> None:
    state = State(slots=2)
    planned(state, "fit-a", "fit-b", "fit-c", seconds=4.0)
    planned(state, "score-d", "score-e", seconds=1.0)
    assert state.remaining() == pytest.approx((3 * 4 + 2 * 1) / 2)
    state.update(Event(kind="finished", key="fit-a", seconds=10.0))
    assert state.remaining() == pytest.approx((2 * 10 + 2 * 1) / 2)
    assert State().remaining() == 0


def test_the_estimate_is_no_shorter_than_the_longest_step() -> None:
    state = State(slots=2)
    planned(state, "fit-a", seconds=10.0)
    assert state.remaining() == pytest.approx(10.0)


def test_a_running_step_counts_by_how_far_it_is() -> None:
    state = State()
    planned(state, "fit-a")
    state.update(Event(kind="started", key="fit-a"), now=100.0)
    state.update(Event(kind="progress", key="fit-a", fraction=0.25), now=110.0)
    assert state.remaining(now=110.0) == pytest.approx(30.0)  # 10 s for a quarter


def test_counts() -> None:
    state = State()
    state.update(Event(kind="found", key="prepare-x"))
    planned(state, "fit-a", "fit-b")
    state.update(Event(kind="finished", key="fit-a", seconds=1))
    state.update(Event(kind="found", key="fit-b"))  # another run was first
    assert (state.count, state.cached, state.running) == ("2/2", {"prepare-x"}, {})
    planned(state, "prepare-x")  # it was damaged
    assert (state.count, state.cached) == ("2/3", set())


def test_plain_lines() -> None:
    stream = io.StringIO()
    with showing(stream, 1) as watch:
        watch(Event(kind="planned", key="fit-a", title="fit a"))
        watch(Event(kind="planned", key="fit-b", title="fit b"))
        watch(Event(kind="found", key="prepare-x"))
        watch(Event(kind="started", key="fit-a", title="fit a"))
        watch(Event(kind="progress", key="fit-a", title="fit a", fraction=0.5))
        watch(Event(kind="finished", key="fit-a", title="fit a", seconds=3.21))
        watch(Event(kind="failed", key="fit-b", title="fit b", text="Traceback ...\nValueError: no"))
    assert stream.getvalue().splitlines() == [
        "2 steps to do, 1 cached",
        "[1/2] fit a · 3.2 s",
        "[2/2] fit b: failed (ValueError: no)",
    ]


def test_quick_steps_have_no_line_but_the_last() -> None:
    stream = io.StringIO()
    with showing(stream, 1) as watch:
        for key in ("a", "b", "c"):
            watch(Event(kind="planned", key=f"fit-{key}", title=f"fit {key}"))
        for key, seconds in (("a", 0.2), ("b", 2.0), ("c", 0.1)):
            watch(Event(kind="finished", key=f"fit-{key}", title=f"fit {key}", seconds=seconds))
    assert stream.getvalue().splitlines() == ["3 steps to do, 0 cached", "[2/3] fit b · 2.0 s", "[3/3] fit c · 0.1 s"]


def test_what_an_artifact_says_of_itself_is_shown_when_its_step_ends() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (io.StringIO(), Terminal()):
        with showing(stream, 1) as watch:
            watch(Event(kind="planned", key="rules-a", title="rules"))
            watch(Event(kind="finished", key="rules-a", title="rules", seconds=1.0, text="3 [ties]\nlowest id"))
        assert "note: rules: 3 [ties]" in stream.getvalue()
        assert "note: rules: lowest id" in stream.getvalue()


def test_at_most_one_progress_line_in_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("outgrow.progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    with showing(stream, 1) as watch:
        watch(Event(kind="planned", key="fit-a", title="fit a"))
        watch(Event(kind="started", key="fit-a", title="fit a"))
        for second in range(1, 76):
            now = float(second)
            watch(Event(kind="progress", key="fit-a", title="fit a", fraction=second / 100))
    assert stream.getvalue().splitlines() == [
        "1 steps to do, 0 cached",
        "[0/1] fit a 30%, about 1 min 10 s left",
        "[0/1] fit a 60%, about 40 s left",
    ]


def test_the_display_shows_what_runs() -> None:
    from rich.console import Console

    state = State()
    planned(state, "fit-a", "fit-b")
    state.update(Event(kind="started", key="fit-a", title="fit a"))
    state.update(Event(kind="progress", key="fit-a", fraction=0.42))
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(_display(state))
    text = captured.get()
    assert "42% fit a" in text
    assert "0/2" in text


def test_the_live_display_ends_clean_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with showing(stream, 1) as watch:
        watch(Event(kind="planned", key="fit-a", title="fit a"))
        watch(Event(kind="failed", key="fit-a", title="fit a", text="ValueError: [no] markup"))
    assert "fit a: failed (ValueError: [no] markup)" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
