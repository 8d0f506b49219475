"""A worker that needs a secret."""

import os
import subprocess
import sys

import upnext_django as upnext

worker = upnext.Worker("vault", secrets=["fundamental_key"])


@worker.task
def end_of_key() -> str:
    return os.environ["FUNDAMENTAL_KEY"][-4:]


@worker.task
def end_of_key_elsewhere() -> str:
    code = "import os; print(os.environ['FUNDAMENTAL_KEY'][-4:])"
    return subprocess.check_output([sys.executable, "-c", code], text=True).strip()


@worker.task
async def tell() -> None:
    raise ValueError(f"the bank does not know {os.environ['FUNDAMENTAL_KEY']}")
