"""Tasks that take and give values of every type that travels."""

import dataclasses
import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pydantic

import upnext_django as upnext

T = TypeVar("T")

worker = upnext.Worker("arguments", concurrency=4)


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclasses.dataclass
class Line:
    product: UUID
    price: Decimal
    size: Size = Size.SMALL


class Address(msgspec.Struct):
    street: str
    since: date


class Card(pydantic.BaseModel):
    number: str
    expires: date


@worker.task
async def moment(value: datetime) -> datetime:
    return check(value, datetime)


@worker.task
async def day(value: date) -> date:
    return check(value, date)


@worker.task
async def clock(value: time) -> time:
    return check(value, time)


@worker.task
async def span(value: timedelta) -> timedelta:
    return check(value, timedelta)


@worker.task
async def ident(value: UUID) -> UUID:
    return check(value, UUID)


@worker.task
async def money(value: Decimal) -> Decimal:
    return check(value, Decimal)


@worker.task
async def size(value: Size) -> Size:
    return check(value, Size)


@worker.task
async def raw(value: bytes) -> bytes:
    return check(value, bytes)


@worker.task
async def pair(value: tuple[int, date]) -> tuple[int, date]:
    return check(value, tuple)


@worker.task
async def many(value: set[UUID]) -> set[UUID]:
    return check(value, set)


@worker.task
async def line(value: Line) -> Line:
    return check(value, Line)


@worker.task
async def address(value: Address) -> Address:
    return check(value, Address)


@worker.task
async def card(value: Card) -> Card:
    return check(value, Card)


@worker.task
async def nested(value: dict[str, list[Line]]) -> dict[str, list[Line]]:
    check(value["a"][0], Line)
    return value


@worker.task
async def optional(value: datetime | None = None) -> datetime | None:
    return None if value is None else check(value, datetime)


@worker.task
async def anything(value: Any, *rest: int, **more: date) -> list[Any]:
    return [value, list(rest), {name: check(day, date) for name, day in more.items()}]


@worker.task
def in_a_thread(value: Line) -> Decimal:
    return check(value, Line).price


@worker.task
async def returns(what: str) -> Any:
    return {"nan": float("nan"), "function": returns_nothing, "object": object()}[what]


@worker.task
async def returns_nothing() -> None:
    return None


def check(value: T, wanted: type) -> T:
    """Return the value. Raises TypeError unless it came back as the type that the signature names."""
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is a {type(value).__name__}, not a {wanted.__name__}")
    return value


@worker.task
async def takes_order(order: Any) -> None: ...
