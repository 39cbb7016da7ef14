"""A process that does what it is told and is killed in the midst of it, each time in a fork of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

__all__ = ["Killer"]


class Killer:
    """A process that runs `script`, which takes one task a line.

    For each it prints the steps as JSON where the task ended, and then the fork's status: 0, or 9 where it was killed.
    """

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )

    def start(self, **task: Any) -> None:
        """Begin a task."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()

    def end(self) -> list[str] | None:
        """Return the steps of a task that ended, None of one that was killed."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line.startswith("["):
            assert self.process.stdout.readline() == "0\n"
            steps: list[str] = json.loads(line)
            return steps
        assert line == "9\n"
        return None

    def stop(self) -> None:
        """End the process."""
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait(timeout=30)
        self.process.stdout.close()  # type: ignore[union-attr]
