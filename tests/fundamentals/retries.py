"""Tasks that fail."""

import upnext_django as upnext

worker = upnext.Worker("retries")


@worker.task(retries=5, retry_delay=2.0, retry_backoff=2.0)
async def api_call() -> None:
    raise ConnectionError("the service is down")


@worker.task(retries=5, retry_delay=2.0, retry_backoff=2.0, retry_jitter=0)
async def punctual() -> None:
    raise ConnectionError("the service is down")


@worker.task(retries=2, retry_delay=0.01)
def third_time() -> int:
    attempt = upnext.get_current_context().attempt
    if attempt < 3:
        raise ConnectionError("not yet")
    return attempt


@worker.task(retries=3, retry_delay=0.01, retry_on=ConnectionError)
async def only_connections(kind: str) -> None:
    raise {"connection": ConnectionRefusedError, "value": ValueError}[kind]("text")


@worker.task(retries=3, retry_delay=0.01, no_retry_on=(ValueError,))
async def never_values(kind: str) -> None:
    raise {"connection": ConnectionError, "value": ValueError}[kind]("text")


@worker.task(retries=1, retry_delay=3600, no_retry_on=upnext.Retry)
async def asks_for_it() -> int:
    attempt = upnext.get_current_context().attempt
    if attempt == 1:
        raise upnext.Retry(after=0.01)
    return attempt


@worker.task(retries=1)
async def asks_too_often() -> None:
    raise upnext.Retry("once more", after=0.01)


@worker.task(retries=4, retry_delay=2.0, retry_backoff=10, retry_max_delay=30, retry_jitter=0)
async def capped() -> None:
    raise ConnectionError("the service is down")


@worker.task
async def nothing() -> None: ...
