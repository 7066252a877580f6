"""The protocol in words: which fits there are, what each learns from and what it has read before."""

from __future__ import annotations

from invented import Mind, experiment

from outgrow.experiment import cells
from outgrow.experiment.technique import Technique
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
from outgrow.report.protocol import fits_used
from outgrow.training.continuing import Generative


def test_the_protocol_names_every_fit_on_the_way_to_a_student_and_what_was_read_first() -> None:
    chain = Technique(label="chain", chain=(Mind(size="big"),), chain_data="same", labels=(Harden(), Sharpen()))
    length_limit = Technique(label="reader", adapt=Generative(epochs=1.0), oracle="stop")
    found = fits_used(cells(experiment(methods=(chain, length_limit), strong=("huge",), seeds=(0,))))
    said = {used.role: used for used in found}
    assert said["on the way: chain"].model == "mind/big"
    assert said["student: chain"].learns_from == "hard, then Sharpen (temperature 0.5) weak labels of transfer"
    assert said["student: reader (oracle)"].validated_on == "ground truth of transfer_validation"
    for role in ("student: reader (oracle)", "supervisor that is adapted too", "ceiling that is adapted too"):
        assert dict(said[role].settings)["reads first"].startswith("Generative (epochs 1,")
    assert not {"reads first"} & {name for role in ("supervisor", "ceiling") for name, _ in said[role].settings}
