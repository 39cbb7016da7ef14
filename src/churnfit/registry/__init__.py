"""Versions and the champion, in MLflow. Only `versions` calls it; importing loads nothing of it."""

from churnfit.registry.records import RunRecord, Version
from churnfit.registry.versions import Registry

__all__ = ["Registry", "RunRecord", "Version"]
