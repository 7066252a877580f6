"""A weak-to-strong experiment as a plain script on Hugging Face's `Trainer`: what outgrow is compared with.

`python -m bench.plain JOB RESULT` reads rows and models from one JSON file and writes accuracies to another. It does
what its documentation shows: padding to the longest of each batch, an evaluation and a checkpoint each epoch, the best
one loaded at the end. Nothing of outgrow is imported.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

NO_CHOICE = -1e9
Rows = list[dict[str, Any]]  # prompt, choices, and the probability of each choice as target


class SoftTrainer(Trainer):
    """Minimises the cross-entropy to soft labels over the choices of each example: classes, or next tokens."""

    def compute_loss(  # type: ignore[override]
        self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any
    ) -> Any:
        logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits.float()
        if logits.ndim == 3:  # next tokens, where the prompt ends
            last = inputs["attention_mask"].sum(1) - 1
            logits = logits[torch.arange(len(logits)), last].gather(1, inputs["columns"].clamp_min(0))
            logits = logits.masked_fill(inputs["columns"] < 0, NO_CHOICE)
        loss = -(inputs["targets"] * logits.log_softmax(-1)).sum(1).mean()
        return (loss, {"logits": logits}) if return_outputs else loss


class Collator:
    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: Rows) -> dict[str, torch.Tensor]:
        batch = dict(self.tokenizer([row["prompt"] for row in rows], padding=True, return_tensors="pt"))
        most = max(len(row["targets"]) for row in rows)
        for name, kind, filler in (("columns", torch.int64, -1), ("targets", torch.float32, 0.0)):
            padded = [[*row[name], *[filler] * (most - len(row[name]))] for row in rows]
            batch[name] = torch.tensor(padded, dtype=kind)
        return batch


class Model:
    """A checkpoint and what it is trained with."""

    def __init__(self, name: str, job: dict[str, Any], out: Path) -> None:
        self.job, self.recipe, self.out = job, job["models"][name], out / name.replace("/", "-")
        self.tokenizer = AutoTokenizer.from_pretrained(self.recipe["folder"])

    def trainer(self, train: Rows, validation: Rows) -> SoftTrainer:
        set_seed(self.job["seed"])
        if self.job["readout"] == "tokens":
            module: Any = AutoModelForCausalLM.from_pretrained(self.recipe["folder"], dtype=torch.float32)
        else:
            classes = len(train[0]["targets"])
            load = AutoModelForSequenceClassification.from_pretrained
            module = load(self.recipe["folder"], dtype=torch.float32, num_labels=classes)
        arguments = TrainingArguments(
            str(self.out),
            num_train_epochs=self.recipe["epochs"],
            per_device_train_batch_size=self.recipe["batch"],
            per_device_eval_batch_size=self.recipe["batch"],
            learning_rate=self.recipe["learning_rate"],
            warmup_steps=0.1,
            max_grad_norm=1.0,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            label_names=["targets"],
            remove_unused_columns=False,
            use_cpu=True,
            report_to="none",
            logging_strategy="no",
            disable_tqdm=True,
        )
        rows = {"train_dataset": self._columns(train), "eval_dataset": self._columns(validation)}
        made = SoftTrainer(module, arguments, data_collator=Collator(self.tokenizer), **rows)  # type: ignore[arg-type]
        made.remove_callback(PrinterCallback)
        return made

    def fit(self, train: Rows, validation: Rows) -> SoftTrainer:
        made = self.trainer(train, validation)
        made.train()
        return made

    def _columns(self, rows: Rows) -> Rows:
        def ids(choices: list[str]) -> list[int]:
            if self.job["readout"] == "head":
                return list(range(len(choices)))
            found: Any = self.tokenizer.convert_tokens_to_ids(choices)
            return list(found)

        return [{**row, "columns": ids(row["choices"])} for row in rows]

    def answers(self, fitted: SoftTrainer, rows: Rows) -> np.ndarray:
        """Probabilities over the choices, [n, most choices]."""
        logits = torch.from_numpy(fitted.predict(self._columns(rows)).predictions)  # type: ignore[arg-type]
        return logits.softmax(-1).numpy()

    def labelled(self, fitted: SoftTrainer, rows: Rows) -> Rows:
        """The rows with the model's probabilities as targets, or its best choice where the job's labels are hard."""
        probs = self.answers(fitted, rows)
        if self.job["hard"]:
            probs = np.eye(probs.shape[1])[probs.argmax(1)]
        return [{**row, "targets": each[: len(row["choices"])].tolist()} for row, each in zip(rows, probs, strict=True)]

    def accuracy(self, fitted: SoftTrainer, rows: Rows) -> float:
        chosen = self.answers(fitted, rows).argmax(1)
        right = [row["targets"][i] == max(row["targets"]) for row, i in zip(rows, chosen, strict=True)]
        return 100 * float(np.mean(right))


def fit(job: dict[str, Any], out: Path) -> dict[str, float]:
    """The last of the strong models on ground truth: fitted, scored, and the labels that it gives."""
    splits, model = job["splits"], Model(job["strong"][-1], job, out)
    ceiling = model.fit(splits["transfer"], splits["transfer_validation"])
    model.labelled(ceiling, splits["weak_train"])
    return {"ceiling": model.accuracy(ceiling, splits["test"])}


def grid(job: dict[str, Any], out: Path) -> dict[str, float]:
    """All pairs: floors, weak labels, students, ceilings, the students on the supervisors' ground truth, and the
    students before training. Whatever two pairs share is computed once. Returns accuracies in percent."""
    splits, found = job["splits"], {}
    test, train, held_out = splits["test"], splits["transfer"], splits["transfer_validation"]
    labels: dict[str, tuple[Rows, Rows]] = {}
    for name in job["weak"]:
        model = Model(name, job, out)
        floor = model.fit(splits["weak_train"], splits["validation"])
        found[f"floor {name}"] = model.accuracy(floor, test)
        labels[name] = model.labelled(floor, train), model.labelled(floor, held_out)
    for name in job["strong"]:
        model = Model(name, job, out)
        found[f"zero-shot {name}"] = model.accuracy(model.trainer(train, held_out), test)
        found[f"ceiling {name}"] = model.accuracy(model.fit(train, held_out), test)
        if name not in job["weak"]:  # there it is the floor
            found[f"direct {name}"] = model.accuracy(model.fit(splits["weak_train"], splits["validation"]), test)
        for weak in (weak for weak, strong in job["pairs"] if strong == name):
            found[f"student {weak} {name}"] = model.accuracy(model.fit(*labels[weak]), test)
    return found


def main(job_file: str, result_file: str) -> None:
    job = json.loads(Path(job_file).read_text())
    with tempfile.TemporaryDirectory() as out:
        found = {"fit": fit, "grid": grid}[job["do"]](job, Path(out))
    Path(result_file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
