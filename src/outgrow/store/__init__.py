"""The store of finished artifacts: content-addressed, committed once, verified when read."""

from outgrow.store.lease import Lease, LeaseLost
from outgrow.store.manifest import Damaged, Manifest, machine, versions
from outgrow.store.names import is_key
from outgrow.store.storage import flush
from outgrow.store.store import Check, Store

__all__ = ["Check", "Damaged", "Lease", "LeaseLost", "Manifest", "Store", "flush", "is_key", "machine", "versions"]
