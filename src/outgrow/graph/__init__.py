"""A graph of steps: what a step is, the plan of those that are still to do, and running them."""

from outgrow.graph.artifact import Artifact, T
from outgrow.graph.compute import Job, JobResult
from outgrow.graph.context import Context, Event, Report, Settings, ignore_events, load
from outgrow.graph.interned import Interner
from outgrow.graph.log import LOGGER
from outgrow.graph.plan import Plan, plan
from outgrow.graph.run import Failure, Outcome, run
from outgrow.graph.step import Resources, Step, defaults_of, identity, not_hashed, topological_order, walk

__all__ = [
    "LOGGER",
    "Artifact",
    "Context",
    "Event",
    "Failure",
    "Interner",
    "Job",
    "JobResult",
    "Outcome",
    "Plan",
    "Report",
    "Resources",
    "Settings",
    "Step",
    "T",
    "defaults_of",
    "identity",
    "ignore_events",
    "load",
    "not_hashed",
    "plan",
    "run",
    "topological_order",
    "walk",
]
