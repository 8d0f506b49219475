"""``--health-port``: the answers for probes over HTTP, from a thread.

By the standard library alone, and imported as a plain file by the parent of ``--processes``, which has
neither Django nor the project.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["ProbeServer", "listen"]

_SLOW_S = 5.0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that hears ``port``; of every address, by IPv4 and IPv6, for the host "".

    Raises OSError.
    """
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


class _Probe(BaseHTTPRequestHandler):
    """``GET /health`` and ``GET /ready``: 200, or 503 with the reason."""

    server: _Server
    server_version = "upnext"
    sys_version = ""
    timeout = _SLOW_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        ask = self.server.answers.get(path)
        if ask is None:
            known = " and ".join(self.server.answers)
            self._say(HTTPStatus.NOT_FOUND, {"error": f"There is no {path[:100]!r} here, only {known}."})
            return
        reason = ask()
        if reason:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "failing", "reason": reason})
        else:
            self._say(HTTPStatus.OK, {"status": "ok"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _say(self, status: HTTPStatus, body: dict[str, str]) -> None:
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing: probes come every few seconds."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, answers: dict[str, Callable[[], str]]) -> None:
        self.answers = answers
        super().__init__(listener.getsockname()[:2], _Probe, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a prober that hangs up early is no event."""


class ProbeServer:
    """Answers on ``listener`` until closed.

    ``live`` and ``ready`` return what is wrong, "" where nothing is; they are asked in threads.
    """

    def __init__(self, listener: socket.socket, *, live: Callable[[], str], ready: Callable[[], str]) -> None:
        self._server = _Server(listener, {"/health": live, "/ready": ready})
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="upnext-probe", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Answer no more; the port is free when it returns."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
