"""The store of finished artifacts: content-addressed, committed once, verified when read."""

from outgrow.store.failures import FailureRecord, Failures
from outgrow.store.lease import Lease, LeaseLost, Leases, Ticket, live_leases
from outgrow.store.manifest import Damaged, Manifest, machine, versions
from outgrow.store.names import is_key
from outgrow.store.owner import host_name
from outgrow.store.rows import Rows, as_digests, digest_of_text
from outgrow.store.storage import flush
from outgrow.store.store import Check, Store
from outgrow.store.trouble import StoreError

__all__ = [
    "Check",
    "Damaged",
    "FailureRecord",
    "Failures",
    "Lease",
    "LeaseLost",
    "Leases",
    "Manifest",
    "Rows",
    "Store",
    "StoreError",
    "Ticket",
    "as_digests",
    "digest_of_text",
    "flush",
    "host_name",
    "is_key",
    "live_leases",
    "machine",
    "versions",
]
