"""Times as SQLite keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["Stamps"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stamps(dict[int, str]):
    """Milliseconds since 1970 -> the text that Django's SQLite backend writes for that time.

    Jobs that were claimed or settled in one call share their stamp, so most look-ups hit.
    """

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, at_ms: int) -> str:
        moment = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self._zone)
        text = self[at_ms] = str(moment.replace(tzinfo=None))
        return text
