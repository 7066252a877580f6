"""The protocol in words: which fits there are, what each learns from and what it has read before."""

from __future__ import annotations

from invented import Mind, experiment

from outgrow.experiment.grid import cells
from outgrow.experiment.technique import Technique
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
from outgrow.report.protocol import fits_used
from outgrow.training.language_model import Generative


def test_the_protocol_names_every_fit_between_supervisor_and_student_and_adaptations() -> None:
    chain = Technique(label="chain", chain=(Mind(size="big"),), chain_data="same", rules=(Harden(), Sharpen()))
    length_limit = Technique(label="reader", adapt=Generative(epochs=1.0), oracle="stop")
    found = fits_used(cells(experiment(methods=(chain, length_limit), strong=("huge",), seeds=(0,))))
    by_role = {used.role: used for used in found}
    assert by_role["intermediate: chain"].model == "mind/big"
    assert by_role["student: chain"].learns_from == "hard, then Sharpen (temperature 0.5) weak labels of transfer"
    assert by_role["student: reader (oracle)"].validated_on == "ground truth of transfer_validation"
    for role in ("student: reader (oracle)", "supervisor that is adapted too", "ceiling that is adapted too"):
        assert dict(by_role[role].settings)["adapted first"].startswith("Generative (epochs 1,")
    assert not {"adapted first"} & {name for role in ("supervisor", "ceiling") for name, _ in by_role[role].settings}
