"""The command line: one function a command. Heavy imports are inside the command that needs them."""

from outgrow.cli import chess, comparing, experiments, fitting, labels, listing, stores, workers  # noqa: F401 - the commands
from outgrow.cli.options import app
from outgrow.cli.script import main

__all__ = ["app", "main"]
