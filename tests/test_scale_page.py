"""The scripts and the job of docs/scale.md: run with stand-ins for the scheduler, validated against the schema."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text()
SBATCH = """#!/bin/bash
# Runs an array job here, two tasks of it at the same time, as Slurm would on its nodes.
export SLURM_ARRAY_JOB_ID=7 SLURM_JOB_ID=7 SLURM_CPUS_PER_TASK=1
for SLURM_ARRAY_TASK_ID in 0 1; do export SLURM_ARRAY_TASK_ID; bash "$1" & tasks="$tasks $!"; done
for task in $tasks; do wait "$task" || exit 1; done
"""


def block(language: str, containing: str) -> str:
    (found,) = (each for each in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if containing in each)
    return found


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """An environment with stand-ins for Slurm's commands, and `outgrow`."""
    bin = tmp_path / "bin"
    bin.mkdir()
    executable(bin / "sbatch", SBATCH)
    executable(bin / "srun", '#!/bin/bash\nexec "$@"\n')
    executable(bin / "scontrol", f'#!/bin/bash\necho "$@" >> {tmp_path}/requeued\n')
    executable(bin / "outgrow", f'#!/bin/bash\nexec {sys.executable} -m outgrow "$@"\n')
    (tmp_path / "grid.toml").write_text(QUIZ)
    (tmp_path / "job.sh").write_text(block("bash", "#SBATCH"))
    return {
        **os.environ,
        "PATH": f"{bin}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        "OUTGROW_STORE": str(tmp_path / "store"),
    }


def test_the_slurm_script_computes_the_experiment(cluster: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(["sbatch", "job.sh"], cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("steps computed here") == 2
    status = subprocess.run(
        ["outgrow", "status", "grid.toml"], cwd=tmp_path, env=cluster, capture_output=True, text=True
    )
    finished, total = re.match(r"(\d+) of (\d+) steps done, 0 failed; 0 workers", status.stdout).groups()
    assert finished == total
    assert not (tmp_path / "requeued").exists()


def test_the_slurm_script_asks_for_a_requeue_after_a_time_limit(cluster: dict[str, str], tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "outgrow", "#!/bin/bash\nexit 75\n")
    done = subprocess.run(["sbatch", "job.sh"], cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert (tmp_path / "requeued").read_text() == "requeue 7\nrequeue 7\n"


def test_the_kubernetes_job_is_valid() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    import yaml

    job = yaml.safe_load(block("yaml", "kind: Job"))
    validate.validate(job, "1.31", strict=True)
    job["spec"]["completion"] = job["spec"].pop("completions")
    with pytest.raises(validate.ValidationError):
        validate.validate(job, "1.31", strict=True)


def test_the_commands_of_the_page_exist() -> None:
    from typer.testing import CliRunner

    from outgrow.cli import app

    for command in ("work", "status", "run"):
        text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
        for options in re.findall(rf"outgrow {command} (.*)", PAGE):
            for option in re.findall(r"--[a-z-]+", options):
                assert option in text, (command, option)
