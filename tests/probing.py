"""What a probe over HTTP hears."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

__all__ = ["Answer", "probe"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0: nobody answered."""

    status: int
    body: str


def probe(port: int, path: str, *, method: str = "GET", host: str = "127.0.0.1") -> Answer:
    """Ask once."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    except OSError as error:
        return Answer(0, str(error))
    finally:
        connection.close()
