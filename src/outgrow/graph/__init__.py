"""An experiment is a graph of frozen records: what a step is, what is still to do, and doing it."""

from outgrow.graph.compute import Ended, Job, compute
from outgrow.graph.context import Context, Event, Report, Settings, ignore, load
from outgrow.graph.interned import Interned
from outgrow.graph.plan import Plan, plan
from outgrow.graph.run import Failure, Outcome, run
from outgrow.graph.step import Artifact, Resources, Step, T, identity, inputs_first, located, walk

__all__ = [
    "Artifact",
    "Context",
    "Ended",
    "Event",
    "Failure",
    "Interned",
    "Job",
    "Outcome",
    "Plan",
    "Report",
    "Resources",
    "Settings",
    "Step",
    "T",
    "compute",
    "identity",
    "ignore",
    "inputs_first",
    "load",
    "located",
    "plan",
    "run",
    "walk",
]
