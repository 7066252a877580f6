"""The precision of an experiment: what auto means on a device, and the fallback to fp32."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from outgrow.graph import Settings
from outgrow.methods.finetune import Finetune
from outgrow.training import precision
from outgrow.training.network import open_network
from outgrow.training.precision import IN_FP32, NotFiniteError, attention, finite, resolved
from outgrow.types import UserError

FLAGS = "processor : 0\nflags\t\t: fpu sse {}\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx2", "fp32"), ("avx512f avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("amx_tile", "fp32")],
)
def test_auto_is_bf16_where_the_cpu_is_fast_in_it(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(FLAGS.format(flags))
    found = precision._cpu_flags(tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "_cpu_flags", lambda: found)
    assert resolved("auto", "cpu") == expected
    assert [resolved(given, "cpu") for given in ("fp32", "bf16")] == ["fp32", "bf16"]  # type: ignore[arg-type]
    assert resolved("auto", "mps") == "fp32"


def test_a_system_without_a_list_of_instruction_sets_has_none(tmp_path: Path) -> None:
    assert precision._cpu_flags(tmp_path / "none") == frozenset()


def test_what_is_not_finite_in_bf16_is_computed_again() -> None:
    import torch

    def compute() -> str:
        if torch.is_autocast_enabled("cpu"):
            raise NotFiniteError("not finite")
        return "fp32"

    assert finite(compute, "cpu", "bf16") == ("fp32", (IN_FP32,))
    assert finite(compute, "cpu", "fp32") == ("fp32", ())
    with pytest.raises(NotFiniteError):
        finite(lambda: (_ for _ in ()).throw(NotFiniteError("never")), "cpu", "bf16")


def test_attention_is_eager_for_training_in_bf16_on_a_cpu_alone(tmp_path: Path) -> None:
    assert (attention("cpu", "bf16"), attention("cpu", "fp32"), attention("cuda", "bf16")) == ("eager", None, None)
    folder = tiny.checkpoint(tmp_path)
    used = [
        open_network(folder, "tokens", Settings(), trained_in=given).module.config._attn_implementation  # type: ignore[arg-type]
        for given in ("bf16", "fp32", None)
    ]
    assert used == ["packed-eager", "packed-sdpa", "sdpa"]


def test_a_method_takes_the_experiment_s_precision_unless_it_has_its_own() -> None:
    assert Finetune().at("bf16").precision == "bf16"
    assert Finetune(precision="fp32").at("bf16").precision == "fp32"
    with pytest.raises(UserError, match=r'choose "auto", "fp32" or "bf16"'):
        Finetune(precision="fp16")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_one_value_that_is_no_number_is_found_anywhere(value: float, kind: torch.dtype) -> None:
    fine = (torch.linspace(-1, 1, 30) * 3e38).to(kind).reshape(5, 6)
    assert precision.all_finite(fine)
    for place in range(30):
        broken = fine.clone()
        broken.view(-1)[place] = value
        assert not precision.all_finite(broken)


def test_no_values_are_all_finite() -> None:
    assert precision.all_finite(torch.zeros(0, 3))
