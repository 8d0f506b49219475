"""A sensitive argument reaches the function and nobody else."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals.sensitive import charge, charge_later, decline

TASKS = "tests.fundamentals.sensitive"
CARD = "4242-4242-4242-1881"

pytestmark = pytest.mark.usefixtures("worker")


async def test_the_function_gets_the_value():
    assert (await charge.wait(7, card=CARD)).value == "1881"


async def test_a_job_shows_the_other_arguments_only():
    future = charge.submit(7, CARD)
    await future

    job = await upnext.aget_job(future.job_id)

    assert job.args == (7, "[hidden]")
    assert job.sealed
    assert CARD not in repr(job)


def test_an_error_does_not_tell_it():
    with pytest.raises(upnext.TaskExecutionError) as caught:
        decline.wait_sync(7, card=CARD)

    assert caught.value.error == "ValueError: the bank refused [hidden]"


async def test_a_checkpoint_comes_back_as_it_was():
    assert (await charge_later.wait(CARD)).value == "1881"


async def test_an_idempotency_key_must_not_tell_it():
    with pytest.raises(upnext.ArgumentError, match=r"key of a job of .*charge"):
        await charge.submit_idempotent(f"charge-{CARD}", 7, card=CARD)


def test_no_key_template_names_it():
    with pytest.raises(upnext.DefinitionError, match="names 'card', which is sensitive"):

        @upnext.task(sensitive=["card"], cache_key="{card}")
        def check(card: str) -> None: ...
