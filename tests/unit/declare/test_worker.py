"""Workers, the registry of a process, and what contradicts itself."""

import subprocess
import sys

import pytest

import upnext_django as upnext
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.registry import registry


def test_a_worker_serves_the_queue_of_its_name():
    worker = upnext.Worker("mails")

    assert (worker.name, worker.queue, worker.concurrency, worker.redis_url) == ("mails", "mails", 2, None)
    assert upnext.Worker("other", queue="mails").queue == "mails"


def test_a_worker_without_a_name_serves_the_default_queue():
    ports.configure(environment=lambda: Environment(default_queue="main"))

    first, second = upnext.Worker(), upnext.Worker()

    assert (first.queue, second.queue) == ("main", "main")
    assert first.name != second.name


def test_two_equal_workers_are_one():
    first, second = upnext.Worker("mails", concurrency=5), upnext.Worker("mails", concurrency=5)

    @second.task
    def send() -> None: ...

    assert first == second
    assert registry.workers == (first,)
    assert registry.conflicts == ()
    assert first.tasks == (send,)


def test_two_unequal_workers_of_one_name_are_a_conflict_with_both_places():
    first = upnext.Worker("mails")
    second = upnext.Worker("mails", concurrency=5)

    [conflict] = registry.conflicts
    assert (conflict.kind, conflict.name) == ("worker", "mails")
    assert (conflict.first, conflict.second) == (first.source, second.source)
    assert f"{__file__}:" in str(conflict)
    assert registry.workers == (first,)


def test_a_module_that_is_imported_again_replaces_what_it_declared():
    def load(concurrency: int):
        worker = upnext.Worker("mails", concurrency=concurrency)

        @worker.task
        def send() -> None: ...

        return worker, send

    load(1)
    worker, send = load(5)

    assert registry.conflicts == ()
    assert registry.workers == (worker,)
    assert registry.tasks == (send,)


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": True},
        {"prefetch": -1},
        {"sync_executor": "fork"},
        {"sync_pool_size": 0},
        {"secrets": "stripe_key"},
        {"queue": "a b"},
    ],
)
def test_an_option_that_makes_no_sense_raises_with_its_name(options):
    with pytest.raises(upnext.DefinitionError, match=next(iter(options))):
        upnext.Worker("mails", **options)


def test_a_name_that_redis_keys_cannot_have_raises():
    with pytest.raises(upnext.DefinitionError, match="cannot name a worker"):
        upnext.Worker("my worker")


def test_a_task_is_found_by_identity_and_alias():
    @upnext.task(aliases=["shop.tasks.old"])
    def send() -> None: ...

    assert registry.task(send.name) is send
    assert registry.task("shop.tasks.old") is send
    assert registry.tasks == (send,)
    assert registry.queues() == {"default"}


def test_an_unknown_task_is_told_with_the_nearest_names():
    @upnext.task
    def send_receipt() -> None: ...

    with pytest.raises(upnext.UnknownTask, match=r"did you mean .*send_receipt'"):
        registry.task(send_receipt.name.replace("receipt", "receipts"))


def test_two_tasks_of_one_name_are_a_conflict_with_both_places():
    def declare_one() -> upnext.TaskHandle[[], int]:
        @upnext.task
        def send() -> int:
            return 1

        return send

    def declare_other() -> upnext.TaskHandle[[], int]:
        def send() -> int:
            return 2

        send.__qualname__ = first.__wrapped__.__qualname__
        return upnext.task(send)

    first = declare_one()
    second = declare_other()

    [conflict] = registry.conflicts
    assert (conflict.kind, conflict.name) == ("task", first.name)
    assert (conflict.first, conflict.second) == (first.definition.source, second.definition.source)
    assert registry.task(first.name) is first


def test_an_alias_that_is_another_tasks_name_is_a_conflict():
    @upnext.task
    def send() -> None: ...

    @upnext.task(aliases=[send.name])
    def send_again() -> None: ...

    [conflict] = registry.conflicts
    assert conflict.name == send.name
    assert registry.task(send.name) is send


def test_the_defaults_of_the_settings_lie_under_a_tasks_own_options():
    ports.configure(environment=lambda: Environment(task_defaults={"retries": 3, "timeout": 5}))

    @upnext.task(timeout=None)
    def send() -> None: ...

    assert (send.definition.retries, send.definition.timeout) == (3, None)


def test_a_misspelt_option_raises_at_decoration():
    with pytest.raises(upnext.DefinitionError, match="did you mean 'retries'"):
        upnext.task(retrys=3)(lambda: None)  # type: ignore[call-overload]


def test_a_tasks_own_queue_goes_before_the_workers():
    worker = upnext.Worker("mails")

    @worker.task(queue="bulk")
    def send() -> None: ...

    assert send.definition.queue == "bulk"
    assert registry.queues() == {"mails", "bulk"}


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def test_importing_it_loads_neither_django_nor_a_redis_client():
    code = (
        "import sys, upnext_django as upnext; worker = upnext.Worker('w'); worker.task(lambda: None); "
        "print([name for name in ('django', 'redis', 'ninja', 'croniter') if name in sys.modules])"
    )

    assert run(code) == "[]"


def test_without_a_url_a_submit_says_where_to_set_it(monkeypatch):
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)

    @upnext.task
    def send() -> None: ...

    with pytest.raises(upnext.UpNextError, match="Set the environment variable UPNEXT_REDIS_URL"):
        send.submit()


def test_the_url_of_the_environment_is_read_late(monkeypatch):
    monkeypatch.setenv("UPNEXT_REDIS_URL", "redis://:secret@one:6379/0")
    first = ports.broker()
    monkeypatch.setenv("UPNEXT_REDIS_URL", "redis://two:6379/0")

    assert first.url_masked != ports.broker().url_masked
    assert "secret" not in first.url_masked
    assert ports.broker() is ports.broker()
    assert ports.broker("redis://three:6379/0") is not ports.broker()


def test_a_script_that_runs_as_main_counts_as_its_importable_name(tmp_path):
    script = tmp_path / "service.py"
    script.write_text(
        "import upnext_django as upnext\n@upnext.task\ndef send() -> None: ...\nprint(send.name)\n"
    )

    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )

    assert done.stdout.strip() == "service.send"
