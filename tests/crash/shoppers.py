"""The program of a shopper under test: ``python -m tests.crash.shoppers FIRST LAST SEED PROGRESS``.

In transactions of one to ten orders it submits a job for each; a third of them roll back. It works in
a child that is killed (-9) again and again, by itself between a commit and the send, and by its parent at
any moment; the next child begins after the transaction of the last.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import django

_LONGEST_LIFE_S = 1.0


class Regret(Exception):
    """The shopper does not want it any more."""


def main(first: int, last: int, seed: int, progress: Path) -> None:
    """Go on until the orders ``first`` to ``last`` were tried."""
    django.setup()
    chance = random.Random(seed)
    progress.write_text(str(first))
    while int(progress.read_text()) <= last:
        child = os.fork()
        if child == 0:
            shop(last, random.Random(chance.random()), progress)
            return
        end = monotonic() + chance.uniform(0.05, _LONGEST_LIFE_S)
        code = exit_code(child, end)
        # To the test's log, and an error in the shop must not look like one more crash.
        sys.stdout.write(f"a child has ended with {code}\n")
        sys.stdout.flush()
        if code > 0:
            sys.exit(code)


def exit_code(child: int, end: float) -> int:
    """Wait for the child, kill it when its time is over, and return its exit code; negative if killed."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if monotonic() > end:
            os.kill(child, signal.SIGKILL)
        signal.sigtimedwait([], 0.01)


def shop(last: int, chance: random.Random, progress: Path) -> None:
    """Order until ``last``, or until somebody kills this process."""
    from django.db import transaction

    from example_project.shop.models import Order
    from tests.fleet import jobs

    while (number := int(progress.read_text())) <= last:
        numbers = range(number, min(number + chance.randint(1, 10), last + 1))
        # First, so that no transaction is tried twice; replaced in one step, so that it is never half.
        rest = progress.with_suffix(f".{os.getpid()}")
        rest.write_text(str(numbers.stop))
        rest.rename(progress)
        with suppress(Regret), transaction.atomic():
            if chance.random() < 0.05:
                transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
            Order.objects.bulk_create(Order(email=f"{n}@example.com") for n in numbers)
            for n in numbers:
                jobs.say.submit(str(n))
            if chance.random() < 1 / 3:
                raise Regret


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
