"""Where finished artifacts lie: content-addressed, committed once, verified when read."""

from outgrow.store.manifest import Damaged, Manifest, machine, versions
from outgrow.store.place import flush
from outgrow.store.store import Check, Store

__all__ = ["Check", "Damaged", "Manifest", "Store", "flush", "machine", "versions"]
