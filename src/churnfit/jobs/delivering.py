"""deliver: every letter that is due is sent once; what is not taken comes back later, or is dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from churnfit.cta.outbox import Letter, Outbox
from churnfit.cta.webhook import Webhook, pause, send
from churnfit.errors import UsageError
from churnfit.jobs.history import now
from churnfit.jobs.sinks import webhook_of
from churnfit.jobs.workspace import Workspace

__all__ = ["Delivered", "dead_letters", "deliver", "drop", "retry"]

Clock = Callable[[], datetime]

_FAULTS_IN_A_ROW = 5  # then the receiver is at fault, not a letter: the rest waits for the next run
_KEPT = timedelta(days=30)  # long enough to see what a receiver was told; the moves themselves are kept for good
_LEASE_BEYOND_TIMEOUTS = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a delivery did for one sink: letters taken, put off, dead, and how many wait now.

    `last_fault` is the latest answer that was not a yes, "" where all were.
    """

    sink: str
    delivered: int = 0
    later: int = 0
    dead: int = 0
    waiting: int = 0
    last_fault: str = ""


def deliver(workspace: Workspace, *, clock: Clock = now) -> list[Delivered]:
    """Send what is due to every sink, and return what became of it, sink by sink; two at once share the work.

    A sink that fails five times in a row, or asks to wait, is left alone until the next run. Sinks that churnfit.toml
    no longer names are told nothing; what waits for them is counted. Letters that were delivered or dropped are
    forgotten after thirty days.

    Raises
    ------
    SpecError
        CF507 or CF503 when a sink's secret or address cannot be found; then nothing is sent to any.
    """
    webhooks = {name: webhook_of(name, sink, workspace.root) for name, sink in workspace.sinks.items()}
    with closing(workspace.outbox()) as outbox:
        done = [
            _told(outbox, name, webhook, attempts=workspace.sinks[name].attempts, clock=clock)
            for name, webhook in webhooks.items()
        ]
        outbox.forget(before=clock() - _KEPT)
        waiting = outbox.waiting()
    forgotten = [Delivered(sink=name) for name in waiting if name not in webhooks]
    return [replace(each, waiting=waiting.get(each.sink, 0)) for each in (*done, *forgotten)]


def dead_letters(workspace: Workspace) -> list[Letter]:
    """Return the letters that are not sent again by themselves, oldest first."""
    with closing(workspace.outbox()) as outbox:
        return outbox.dead()


def retry(workspace: Workspace, *, clock: Clock = now) -> int:
    """Return how many dead letters are due again from now on."""
    with closing(workspace.outbox()) as outbox:
        return outbox.retry(now=clock())


def drop(workspace: Workspace, key: str) -> int:
    """Return how many dead letters with that key are given up; CF702 when there is none."""
    with closing(workspace.outbox()) as outbox:
        dropped = outbox.drop(key)
    if not dropped:
        raise UsageError(
            "CF702",
            where="the outbox",
            expected="the key of a dead letter",
            came=f"'{key}'",
            fix="`churnfit deliver --dead` names them.",
        )
    return dropped


def _told(outbox: Outbox, sink: str, webhook: Webhook, *, attempts: int, clock: Clock) -> Delivered:
    counts: Counter[str] = Counter()
    last_fault, in_a_row = "", 0
    lease = 2 * timedelta(seconds=webhook.timeout_seconds) + _LEASE_BEYOND_TIMEOUTS  # to connect, and to be answered
    while in_a_row < _FAULTS_IN_A_ROW and (letter := outbox.take(sink, now=clock(), lease=lease)):
        answer = send(webhook, letter, now=clock())
        if answer.verdict == "later" and letter.attempts >= attempts:
            answer = replace(answer, verdict="never")
        counts[answer.verdict] += 1
        if answer.verdict == "delivered":
            outbox.delivered(letter, answer=answer.said)
            in_a_row = 0
            continue
        last_fault, in_a_row = answer.said, in_a_row + 1
        if answer.verdict == "never":
            outbox.bury(letter, answer=answer.said)
        else:
            outbox.postpone(letter, until=clock() + max(pause(letter), answer.wait), answer=answer.said)
        if answer.wait:
            outbox.leave_alone(sink, until=clock() + answer.wait)
            break
    return Delivered(
        sink=sink, delivered=counts["delivered"], later=counts["later"], dead=counts["never"], last_fault=last_fault
    )
