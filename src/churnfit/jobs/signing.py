"""Who does something, and when: what is written beside every deed of a person."""

from __future__ import annotations

import getpass
import os

from churnfit.jobs.history import now

__all__ = ["moment", "signer"]


def signer(by: str | None) -> str:
    """Return `by`, or who runs this, as the operating system knows them."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def moment() -> str:
    """Return the present moment, ISO-8601 in UTC, to the second."""
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")
