"""A program that calls the API with a token."""

from __future__ import annotations

from typing import Any

from django.test import Client

__all__ = ["Program"]


class Program:
    """Calls ``/api/v1`` with a token; gives the status and the JSON of the answer."""

    def __init__(self, token: str) -> None:
        self._client = Client(headers={"authorization": f"Bearer {token}"})

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        return _told(self._client.get(f"/api/v1{path}", query))

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {} if key is None else {"idempotency-key": key}
        url = f"/api/v1{path}"
        data = "" if body is None else body
        return _told(self._client.post(url, data, content_type="application/json", headers=headers))

    def put(self, path: str, body: Any) -> tuple[int, Any]:
        return _told(self._client.put(f"/api/v1{path}", body, content_type="application/json"))

    def patch(self, path: str, body: Any) -> tuple[int, Any]:
        return _told(self._client.patch(f"/api/v1{path}", body, content_type="application/json"))

    def delete(self, path: str) -> tuple[int, Any]:
        return _told(self._client.delete(f"/api/v1{path}"))

    def upload(self, path: str, **fields: Any) -> tuple[int, Any]:
        return _told(self._client.post(f"/api/v1{path}", fields))

    def send(self, path: str, body: bytes, content_type: str) -> tuple[int, Any]:
        """Post bytes as they are."""
        return _told(self._client.post(f"/api/v1{path}", body, content_type=content_type))

    def raw(self, path: str) -> Any:
        """Return the whole answer of a GET."""
        return self._client.get(f"/api/v1{path}")


def _told(answer: Any) -> tuple[int, Any]:
    return answer.status_code, answer.json() if answer.content else None
