"""MLflow: a run for each row, in a database or on a server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from outgrow.trackers.base import Tracked, Tracker

TAG = "outgrow.id"
AT_ONCE = 500  # metrics in one request, of 1,000 that MLflow takes


@dataclass(frozen=True, kw_only=True)
class Mlflow(Tracker):
    """`mlflow ui --backend-store-uri sqlite:///mlflow.db` shows it.

    uri: of the tracking store: a database, or a server. experiment: the name of the runs' experiment there.
    """

    packages: ClassVar[Mapping[str, str]] = {
        "mlflow": "mlflow", "sqlalchemy": "'outgrow[trackers]'", "alembic": "'outgrow[trackers]'",
    }  # fmt: skip

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "outgrow"

    def write(self, rows: Sequence[Tracked]) -> int:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=_absolute(self.uri))
        found = client.get_experiment_by_name(self.experiment)
        there = found.experiment_id if found else client.create_experiment(self.experiment)
        new = [row for row in rows if not client.search_runs([there], f"tags.`{TAG}` = '{row.id}'", max_results=1)]
        for row in new:
            _write(client, there, row)
        return len(new)


def _absolute(uri: str) -> str:
    """A database's file by its whole path: MLflow keeps one connection for each address."""
    path = uri.removeprefix("sqlite:///")
    return uri if path == uri else f"sqlite:///{os.path.realpath(path)}"


def _write(client: Any, experiment: str, row: Tracked) -> None:
    from mlflow.entities import Metric, Param

    run, now = client.create_run(experiment, run_name=row.name).info.run_id, int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in row.metrics.items()]
    for check, values in enumerate(row.curve):
        metrics += [Metric(f"fit/{name}", value, now, check) for name, value in values.items()]
    client.log_batch(run, params=[Param(name, value[:6000]) for name, value in row.params.items()])
    for start in range(0, len(metrics), AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + AT_ONCE])
    client.set_tag(run, TAG, row.id)  # last, so that a run that was cut off is written again
    client.set_terminated(run)
