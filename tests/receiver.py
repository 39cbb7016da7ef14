"""A webhook's other end: a real HTTP server on loopback that answers as it is told and keeps what it was sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "a-shared-secret"  # noqa: S105 (of tests alone)

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def signed(self) -> bool:
        """Whether the signature is that of the body and the time, made with the secret."""
        text = self.headers["X-Churnfit-Timestamp"].encode() + b"." + self.body
        expected = "sha256=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.headers["X-Churnfit-Signature"])


@dataclass
class Receiver:
    """Replies are taken from the front of `replies`; 204 once there are none."""

    url: str
    replies: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


def answer(status: int, **headers: str) -> Reply:
    """Return the reply of that status; ``retry_after="5"`` is the header Retry-After."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word, as a process that dies does."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def silence_until(over: threading.Event) -> Reply:
    """Return the reply of one that takes the request and says nothing before `over`."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        over.wait(timeout=30)
        handler.close_connection = True

    return reply


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver that listens until the end of the block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                receiver.requests.append(Request(self.path, dict(self.headers), body))
                reply = receiver.replies.pop(0) if receiver.replies else answer(204)
            reply(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(url=f"http://127.0.0.1:{server.server_port}/hook")
        listening = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        listening.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            listening.join()
