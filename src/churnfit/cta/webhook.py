"""A webhook: how a letter is signed and sent over HTTP, and what the receiver's answer means.

Receivers recompute ``hmac(secret, "<X-Churnfit-Timestamp>.<body>", sha256)`` and compare it with the signature. A key
that came before is the same letter again: after a crash, or where an answer was lost.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from churnfit.cta.outbox import Letter

__all__ = ["Answer", "Webhook", "pause", "send", "signature"]

_PASSING_STATUSES = (408, 425, 429)
"""Answers of the 4xx class that say: later."""

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=6)
_DOUBLINGS = 20  # of the pause: more than the longest takes, and no number overflows
_LONGEST_ASKED_PAUSE = timedelta(days=1)  # a receiver that asks for more is asked again


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where a sink listens, and what signs for us; `repr` shows neither, as both may be secrets."""

    url: str
    secret: str
    timeout_seconds: float

    def __repr__(self) -> str:
        return "Webhook(…)"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a sending: `said` in words without any of the receiver's own, `wait` as long as it asks."""

    verdict: Literal["delivered", "later", "never"]
    said: str
    wait: timedelta = timedelta(0)


def signature(secret: str, *, timestamp: str, body: bytes) -> str:
    """Return the value of X-Churnfit-Signature.

    Examples
    --------
    >>> signature("key", timestamp="1767225600", body=b"{}")[:17]
    'sha256=df344de429'
    """
    signed = f"{timestamp}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def send(webhook: Webhook, letter: Letter, *, now: datetime) -> Answer:
    """Post the letter once and return what that led to; redirects are not followed."""
    import requests

    body = letter.body.encode()
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": letter.key,
        "User-Agent": "churnfit",
        "X-Churnfit-Timestamp": timestamp,
        "X-Churnfit-Signature": signature(webhook.secret, timestamp=timestamp, body=body),
    }
    try:
        answered = requests.post(
            webhook.url,
            data=body,
            headers=headers,
            timeout=webhook.timeout_seconds,
            allow_redirects=False,
            stream=True,  # the status says all: what else the receiver sends is never read
        )
    except requests.RequestException as fault:  # its text may hold the address, and with it a token
        return Answer(verdict="later", said=type(fault).__name__)
    with closing(answered):
        return _meaning(answered.status_code, answered.headers.get("Retry-After"))


def pause(letter: Letter) -> timedelta:
    """Return how long to wait after the letter's latest attempt: twice as long each time, up to six hours.

    Half to all of it, by the letter's key, so that letters that failed together do not come back together.
    """
    whole = min(_FIRST_PAUSE * 2.0 ** min(letter.attempts - 1, _DOUBLINGS), _LONGEST_PAUSE)
    chance = hashlib.sha256(f"{letter.key} {letter.attempts}".encode()).digest()[0] / 255
    return whole * (1 + chance) / 2


def _meaning(status: int, retry_after: str | None) -> Answer:
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return Answer(verdict="delivered", said=said)
    if 400 <= status < 500 and status not in _PASSING_STATUSES:
        return Answer(verdict="never", said=said)
    return Answer(verdict="later", said=said, wait=_asked_for(retry_after))


def _asked_for(retry_after: str | None) -> timedelta:
    """Return what a Retry-After header asks for, in seconds or until a date; nothing where it cannot be read."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    if retry_after is None:
        return timedelta(0)
    try:
        seconds = Retry().parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return timedelta(0)
    return timedelta(seconds=min(seconds, _LONGEST_ASKED_PAUSE.total_seconds()))
