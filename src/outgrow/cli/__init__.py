"""The command line: one short function a verb. What is heavy is imported by the verb that needs it."""

from outgrow.cli import chess, experiments, listing, stores  # noqa: F401 - the verbs
from outgrow.cli.options import app
from outgrow.cli.script import main

__all__ = ["app", "main"]
