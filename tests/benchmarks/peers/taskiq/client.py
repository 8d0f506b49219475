"""Submits to taskiq."""

import submitting
import tasks

started = False


async def start():
    global started
    if not started:
        await tasks.broker.startup()
        started = True


async def noop_async(index):
    await start()
    await tasks.noop_async.kiq(index)


async def noop_sync(index):
    await start()
    await tasks.noop_sync.kiq(index)


async def echo(index):
    await start()
    task = await tasks.echo.kiq(index)
    # It can only poll; its default asks every 200 ms.
    return (await task.wait_result(check_interval=0.001, timeout=30)).return_value


submitting.main(submit={"async": noop_async, "sync": noop_sync}, echo=echo)
