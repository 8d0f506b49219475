"""Tasks whose rows the pages show, with texts that would do harm if they were taken for more than text."""

from __future__ import annotations

import asyncio
import logging

import upnext_django as upnext

__all__ = ["ESCAPE", "HOSTILE", "IMAGE", "OVERRIDE", "SCRIPT", "URL", "worker"]

SCRIPT = "<script>document.documentElement.dataset.harmed = 'yes'</script><img src=x onerror=alert(1)>"
IMAGE = '<svg onload="document.documentElement.dataset.harmed=\'yes\'"><a xlink:href="javascript:alert(1)">'
URL = "javascript:document.documentElement.dataset.harmed='yes'"
ESCAPE = "\x1b[31mred\x1b[0m"
OVERRIDE = "invoice\u202efdp.exe"
_BROKEN = b"caf\xe9 \xff\xfe".decode(errors="replace")
_LEAVING = "\"'></td></table></div><h1 id=harmed>{{ 7|add:7 }}{% now 'Y' %}</h1>"
_LONG = "unbroken" * 60

HOSTILE = " ".join([SCRIPT, IMAGE, URL, ESCAPE, OVERRIDE, _BROKEN, _LEAVING])

worker = upnext.Worker("browser-tests", concurrency=4)
logger = logging.getLogger("shop.browser")


@worker.task(retries=1, retry_delay=0.01)
def fails(note: str) -> None:
    logger.warning("before it fails: %s", note)
    raise ValueError(f"{note} {_LONG}")


@worker.task(name=SCRIPT)
def named(note: str) -> str:
    return note


@worker.task
def succeeds(note: str, **more: str) -> dict[str, str]:
    ctx = upnext.get_current_context()
    ctx.set_progress(40, note)
    ctx.checkpoint({"at": note})
    ctx.send_log("INFO", note, data=note, long=_LONG)
    return {"note": note, **more}


@worker.task
async def leaf(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number


@worker.task
async def parent() -> int:
    """Have eight children, of whom two fail; it says so itself."""
    numbers = [1, 2, 3, 4, 5, 6, -1, -2]
    await upnext.gather(*(leaf.submit(number) for number in numbers), return_exceptions=True)
    return len(numbers)


@worker.task
async def waits() -> None:
    """Run until it is cancelled."""
    await asyncio.Event().wait()


@worker.task
async def waits_below() -> None:
    """See waits(), with a child."""
    await waits.wait()


@worker.task
def halves(number: int) -> int:
    """Fail for what is odd: with other arguments it succeeds."""
    if number % 2:
        raise ValueError(f"{number} is odd; only even numbers can be halved")
    return number // 2
