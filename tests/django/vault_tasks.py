"""Tasks that say their sensitive arguments wherever a task can say anything."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

import upnext_django as upnext

worker = upnext.Worker("vault-tests", concurrency=4)
opened = worker.event("account.opened")
logger = logging.getLogger("shop.payments")


@dataclass
class Card:
    """A card as the shop sends it."""

    number: str
    pin: int


def proof_of(*values: object) -> str:
    """Return what tells that a task got these values, and not which."""
    return sha256(repr(values).encode()).hexdigest()


def say_everywhere(*values: Any) -> None:
    ctx = upnext.get_current_context()
    for value in values:
        logger.warning("about %s and %r", value, value)
        ctx.log.info("about %s", value)
        ctx.send_log("info", f"about {value}", value=value, inside=[{"deep": value}])
        ctx.set_progress(50, f"half of {value}")
    try:
        raise LookupError(*values)
    except LookupError:
        logger.exception("with %s", values[0])
    ctx.checkpoint({"values": [str(value) for value in values]})


@worker.task(sensitive=["card"])
async def charge(user: str, card: str) -> str:
    say_everywhere(card)
    return proof_of(user, card)


@worker.task(sensitive=["card"], max_concurrency=2, concurrency_key="{user}")
def charge_in_thread(user: str, card: Card, account: UUID | None = None) -> str:
    say_everywhere(card.number, card.pin)
    return proof_of(user, card.number, card.pin)


@worker.task(sensitive=["card", "phrase"])
async def decline(user: str, card: str, *, phrase: str = "") -> str:
    say_everywhere(card)
    if user != "bob":
        try:
            raise KeyError(card)
        except KeyError as error:
            error.add_note(f"asked with {card!r}")
            raise ValueError(f"declined {card} of {user}: {phrase}") from error
    return proof_of(user, card, phrase)


@worker.task
async def charge_all(cards: int, pin: str) -> list[str]:
    return await upnext.gather([charge.submit(f"user-{number}", pin) for number in range(cards)])


@worker.task(sensitive=["pin"])
async def top(pin: str) -> list[str]:
    return [(await charge.wait(f"user-{number}", card=pin)).value for number in range(2)]


@opened.on(sensitive=["card"])
async def on_opened(user: str, card: str) -> str:
    say_everywhere(card)
    return proof_of(user, card)


class Plan(Enum):
    """Its values are of two types, so that only Python's own error says what is none."""

    FREE = "free"
    PAID = 7


@worker.task(sensitive=["plan"])
async def change_plan(plan: Plan, user: str = "ada") -> str:
    return plan.name
