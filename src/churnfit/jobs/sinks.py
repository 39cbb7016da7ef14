"""Sinks of `churnfit.toml`: other systems that are told of moves of CTAs, and how the secrets for them are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from churnfit.cta.records import Status
from churnfit.cta.webhook import Webhook
from churnfit.errors import SpecError
from churnfit.spec import Strict

__all__ = ["Sink", "secret", "webhook_of"]

_TOLD: tuple[Status, ...] = tuple(status for status in get_args(Status) if status != "held out")


class Sink(Strict):
    """A webhook: its address, the secret that signs, and to which statuses a CTA moves that it is told of.

    `url` may be a reference too, as it often holds a token.
    """

    url: str
    secret: str
    events: Annotated[tuple[Status, ...], Field(min_length=1)] = _TOLD
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10
    attempts: Annotated[int, Field(ge=1, le=50)] = 12

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        if not given.startswith(("env:", "file:")) and not _is_web_address(given):
            raise ValueError("an http:// or https:// address, or env:NAME or file:PATH that holds one")
        return given

    @field_validator("events")
    @classmethod
    def _are_told(cls, given: tuple[Status, ...]) -> tuple[Status, ...]:
        if "held out" in given:
            raise ValueError("held-out CTAs are nobody's to call: no sink is told of them")
        return given


def webhook_of(name: str, sink: Sink, root: Path) -> Webhook:
    """Return where and how the sink is told, with its secret.

    Raises
    ------
    SpecError
        CF507 when the secret stands in the file itself or is nowhere, CF503 when the address found is none.
    """
    url = secret(sink.url, root) if sink.url.startswith(("env:", "file:")) else sink.url
    if not _is_web_address(url):
        raise SpecError(
            "CF503",
            where=f"churnfit.toml, sinks.{name}.url",
            expected=f"an http:// or https:// address in {sink.url}",
            came="something else",
            fix="Correct it there.",
        )
    return Webhook(url=url, secret=secret(sink.secret, root), timeout_seconds=sink.timeout_seconds)


def secret(reference: str, root: Path) -> str:
    """Return what ``env:NAME`` or ``file:PATH`` (seen from `root`) points at.

    Raises
    ------
    SpecError
        CF507 when it is no such reference, or nothing is there.
    """
    kind, _, rest = reference.partition(":")
    if kind not in ("env", "file"):
        raise SpecError(
            "CF507",
            where="churnfit.toml",
            expected="a secret as env:NAME or file:PATH",
            came="text in the file itself",
            fix="Put it into a variable or a file of its own, and name that.",
        )
    found = os.environ.get(rest) if kind == "env" else _content(root / rest)
    if not found:
        raise SpecError(
            "CF507",
            where="churnfit.toml",
            expected=f"a secret in {reference}",
            came="nothing there",
            fix=f"Set the variable or write the file that {reference} names.",
        )
    return found


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None
    except UnicodeDecodeError:
        return None


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port, or no such IPv6 address
        return False
