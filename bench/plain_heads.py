"""A weak-to-strong experiment on frozen features as a plain script: transformers for features, scikit-learn for heads.

`python -m bench.plain_heads JOB RESULT`, as `bench.plain`. Features of a model are computed once for all seeds, in
batches of 32 padded to the longest text. Nothing of outgrow is imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer

Rows = list[dict[str, Any]]
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)


def features(folder: str, rows: Rows, batch: int = 32) -> np.ndarray:
    """The mean of the last hidden states over the tokens of each text, [n, width]."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32)
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            prompts = [row["prompt"] for row in rows[start : start + batch]]
            inputs = tokenizer(prompts, padding=True, return_tensors="pt")
            hidden, mask = model(**inputs).last_hidden_state, inputs["attention_mask"][..., None]
            found.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(found)


def fit(x: np.ndarray, targets: np.ndarray, held_out: np.ndarray, held_out_targets: np.ndarray) -> Any:
    """A scaler and the classifier with the penalty of the lowest validation loss. Soft labels are weighted rows."""
    scaler = StandardScaler().fit(x)
    z, n, classes = scaler.transform(x), len(x), targets.shape[1]
    rows, labels, weights = np.tile(z, (classes, 1)), np.repeat(np.arange(classes), n), targets.T.ravel()
    best, kept = np.inf, None
    for penalty in PENALTIES:
        made = LogisticRegression(C=1 / (penalty * n), max_iter=1000).fit(rows, labels, sample_weight=weights)
        probs = made.predict_proba(scaler.transform(held_out))
        loss = log_loss(
            np.tile(np.arange(classes), len(held_out)),
            np.repeat(probs, classes, 0),
            sample_weight=held_out_targets.ravel(),
        )
        if loss < best:
            best, kept = loss, made
    return scaler, kept


def main(job_file: str, result_file: str) -> None:
    """Floors, labels, students, ceilings, and students on the supervisor's own ground truth, for each seed."""
    job = json.loads(Path(job_file).read_text())
    weak, strong = job["weak"][0], job["strong"][0]
    every = {json.dumps(row): row for splits in job["seeds"] for rows in splits.values() for row in rows}
    place = {row: i for i, row in enumerate(every)}
    values = {name: features(job["models"][name]["folder"], list(every.values())) for name in (weak, strong)}
    found: dict[str, list[float]] = {}
    for splits in job["seeds"]:
        x = {
            (name, split): values[name][[place[json.dumps(row)] for row in rows]]
            for name in values
            for split, rows in splits.items()
        }
        y = {split: np.array([row["targets"] for row in rows]) for split, rows in splits.items()}

        def answers(fitted: Any, name: str, split: str, x: Any = x) -> np.ndarray:
            return fitted[1].predict_proba(fitted[0].transform(x[name, split]))  # type: ignore[no-any-return]

        gold, validation = ("transfer", "transfer_validation"), ("weak_train", "validation")
        floor = fit(x[weak, validation[0]], y[validation[0]], x[weak, validation[1]], y[validation[1]])
        labels = [answers(floor, weak, split) for split in gold]
        student = fit(x[strong, gold[0]], labels[0], x[strong, gold[1]], labels[1])
        ceiling = fit(x[strong, gold[0]], y[gold[0]], x[strong, gold[1]], y[gold[1]])
        direct = fit(x[strong, validation[0]], y[validation[0]], x[strong, validation[1]], y[validation[1]])
        roles = {"floor": (floor, weak), "student": (student, strong), "ceiling": (ceiling, strong)}
        for role, (fitted, name) in {**roles, "direct": (direct, strong)}.items():
            right = answers(fitted, name, "test").argmax(1) == y["test"].argmax(1)
            found.setdefault(role, []).append(100 * float(right.mean()))
    Path(result_file).write_text(json.dumps({role: float(np.mean(each)) for role, each in found.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
