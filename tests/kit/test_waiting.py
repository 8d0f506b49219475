"""Waiting ends with its condition, or fails the test and says what was waited for."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import await_until, wait_until


def test_the_first_true_answer_is_returned():
    answers = iter(["", None, "ready", "too late"])

    assert wait_until(lambda: next(answers), "there is an answer") == "ready"


def test_waiting_in_vain_fails_and_names_what_was_waited_for():
    with pytest.raises(pytest.fail.Exception, match=r"Waited 0\.01 s in vain: job is complete"):
        wait_until(lambda: False, "job is complete", timeout=0.01)


async def test_the_loop_runs_while_a_condition_is_awaited():
    done: list[str] = []
    asyncio.get_running_loop().call_soon(done.append, "called")

    assert await await_until(lambda: list(done), "the loop has run") == ["called"]
