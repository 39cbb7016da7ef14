"""Versions in MLflow, and the ledger that says which is the champion. Importing loads nothing of MLflow."""

from churnfit.registry.ledger import Ledger, Row
from churnfit.registry.records import RunRecord, Version
from churnfit.registry.versions import Registry

__all__ = ["Ledger", "Registry", "Row", "RunRecord", "Version"]
