"""Values that come in with a request, each with its rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from ninja import Header, Path, Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

__all__ = [
    "Arguments",
    "Body",
    "IdempotencyKey",
    "InPath",
    "JobIdInPath",
    "KeyInPath",
    "KeywordArguments",
    "Moment",
    "Name",
]

#: No control characters: databases refuse some of them, and names have none.
_PLAIN = r"^[^\x00-\x1f\x7f]+$"

_NUMBER = re.compile(r"[-+0-9._eE]*")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9000, 1, 1, tzinfo=UTC)


def _within(moment: datetime) -> datetime:
    """Return the nearest time that every database and time zone can hold."""
    return min(max(moment, _FIRST), _LAST)


def _text(value: object) -> object:
    # pydantic would take a number for seconds since 1970, or for milliseconds, by how large it is.
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return value
    raise ValueError("it must be a text like 2026-01-31T12:00:00Z")


#: A time with its zone.
Moment = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_within)]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=_PLAIN)]
InPath = Annotated[str, Path(max_length=255, pattern=_PLAIN)]
#: The key of a row that the database numbers.
KeyInPath = Annotated[int, Path(ge=1, lt=2**63)]
JobIdInPath = Annotated[
    str, Path(max_length=255, pattern=_PLAIN, description="Its id, or the one that its user gave it.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of the caller's choice. For a day the same request with the same key gives the "
        "same job.",
    ),
]
Arguments = Annotated[list[Any], Field(max_length=1_000, description="Positional arguments, as JSON.")]
# With a title, generated clients name its class after the body that has it, also where it may be null.
KeywordArguments = Annotated[
    dict[str, Any], Field(max_length=1_000, title="Kwargs", description="Keyword arguments.")
]


class Body(Schema):
    """A JSON object without other fields than its own."""

    model_config = ConfigDict(extra="forbid")
