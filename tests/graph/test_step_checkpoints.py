"""Checkpoints of a step, and the scratch folder that holds them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from inline import done
from toys import Const

from outgrow.graph import Context
from outgrow.store import LeaseLost, Store


def test_a_half_written_checkpoint_is_never_returned(store: Store) -> None:
    context = Context(step=Const(value=1), store=store)
    assert context.last_checkpoint() is None
    context.save_checkpoint(lambda folder: (folder / "state").write_text("first") and None)

    def fails(folder: Path) -> None:
        (folder / "state").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        context.save_checkpoint(fails)
    last = Context(step=Const(value=1), store=store).last_checkpoint()
    assert last is not None
    assert (last / "state").read_text() == "first"
    context.save_checkpoint(lambda folder: (folder / "state").write_text("second") and None)
    assert [p.name for p in context.scratch.iterdir()] == ["checkpoint-000000001"]


def test_a_checkpoint_is_due_when_the_time_has_come(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Context(step=Const(value=1), store=store).checkpoint_due()
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    assert Context(step=Const(value=1), store=store).checkpoint_due()


def test_scratch_goes_with_the_commit(store: Store) -> None:
    step = Const(value=1)
    done([step], store)
    assert not (Path(store.url) / "scratch" / step.key).exists()


def test_scratch_that_was_taken_away_is_made_again_by_the_owner_of_the_lease_alone(store: Store) -> None:
    step = Const(value=1)
    with store.leases() as leases:
        lease = leases.take([step.key])
        assert lease is not None
        context = Context(step=step, store=store, lease=lease.ticket)
        shutil.rmtree(context.scratch.parent)
        context.save_checkpoint(lambda folder: (folder / "state").write_text("first") and None)
        assert context.last_checkpoint() is not None
        shutil.rmtree(context.scratch)
        store.storage.remove([lease.file])  # by the next owner
        with pytest.raises(LeaseLost):
            context.save_checkpoint(pytest.fail)
        assert not context.scratch.exists()
