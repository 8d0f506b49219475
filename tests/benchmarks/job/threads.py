"""The ORM job without any queue: four threads that do nothing else. What it prints bounds all the others."""

import sys
from threading import Thread
from time import perf_counter

import django

django.setup()

from shop.models import place  # noqa: E402 - a model needs django.setup()

THREADS = 4


def main(jobs: int) -> float:
    """Return jobs a second."""

    def run() -> None:
        for index in range(jobs // THREADS):
            place(index)

    threads = [Thread(target=run) for _ in range(THREADS)]
    begin = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return jobs // THREADS * THREADS / (perf_counter() - begin)


if __name__ == "__main__":
    sys.stdout.write(f"{main(int(sys.argv[1]))}\n")
