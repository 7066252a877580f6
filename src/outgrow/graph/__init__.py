"""A graph of steps: what a step is, the plan of those that are still to do, and running them."""

from outgrow.graph.artifact import Artifact, T
from outgrow.graph.check import check_resources
from outgrow.graph.compute import Job, JobResult
from outgrow.graph.context import STOPPING, Context, Event, Report, Settings, ignore_events, load
from outgrow.graph.interned import Interner
from outgrow.graph.log import LOGGER
from outgrow.graph.outcome import Failure, Outcome, Worker
from outgrow.graph.plan import Plan, plan
from outgrow.graph.room import Resources, lacking
from outgrow.graph.run import run
from outgrow.graph.status import RunningStep, Status, status
from outgrow.graph.step import Step, defaults_of, identity, not_hashed, topological_order, walk

__all__ = [
    "LOGGER",
    "STOPPING",
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
    "RunningStep",
    "Settings",
    "Status",
    "Step",
    "T",
    "Worker",
    "check_resources",
    "defaults_of",
    "identity",
    "ignore_events",
    "lacking",
    "load",
    "not_hashed",
    "plan",
    "run",
    "status",
    "topological_order",
    "walk",
]
