import functools
from typing import Any

import msgspec
import pytest

from upnext_django.core.definition import Hook, TaskDefinition
from upnext_django.core.rates import Rate
from upnext_django.core.retries import RetryPolicy
from upnext_django.exceptions import ArgumentError, DefinitionError


def send(user_id: int, password: str = "secret", *, tenant: str = "t"):
    return user_id


def build(func: Any = send, **options: Any) -> TaskDefinition:
    return TaskDefinition.build(func, **{"queue": "emails", **options})


def test_the_defaults_are_those_of_the_documentation():
    task = build()

    assert task.function == f"{__name__}.send"
    assert task.function_name == "send"
    assert (task.queue, task.kind, task.is_async) == ("emails", "task", False)
    assert task.retry == RetryPolicy()
    assert (task.retries, task.max_attempts, task.timeout) == (0, 1, 1800.0)
    assert (task.save_result, task.result_ttl, task.ttl_ms) == (True, 3600.0, 3_600_000)
    assert (task.priority, task.expires, task.sensitive, task.api) == (0, None, (), False)
    assert (task.rate_limit, task.max_concurrency, task.limit_key, task.cache_key) == (None,) * 4
    assert (task.retry_on, task.no_retry_on, task.aliases) == (None, (), ())
    assert all(task.hook(hook) is None for hook in Hook)
    assert task.source.endswith(f"test_definition.py:{send.__code__.co_firstlineno}")


def test_every_option_is_kept():
    def hook(): ...

    options = {
        "retries": 3, "retry_delay": 2, "retry_backoff": 3, "retry_jitter": 0, "retry_max_delay": 60,
        "retry_on": ConnectionError, "no_retry_on": [KeyError], "timeout": None, "name": "Send a mail",
        "aliases": ("shop.old.send",), "rate_limit": "10/5m", "max_concurrency": 2,
        "rate_limit_key": "{tenant}", "concurrency_key": "{tenant}", "cache_key": "user:{user_id}",
        "cache_ttl": 1.5, "on_failure": hook, "queue": "urgent", "save_result": False, "result_ttl": 60,
        "priority": -5, "expires": 30, "sensitive": ("password",), "api": True,
    }  # fmt: skip

    task = build(**options, kind="event")

    assert task.retry == RetryPolicy(retries=3, delay_s=2, backoff=3, jitter=0, max_delay_s=60)
    assert (task.retry_on, task.no_retry_on) == ((ConnectionError,), (KeyError,))
    assert (task.timeout, task.function_name, task.aliases) == (None, "Send a mail", ("shop.old.send",))
    assert (task.rate_limit, task.max_concurrency) == (Rate(10, 300_000), 2)
    assert (task.limit_key, task.cache_key, task.cache_ttl_ms) == ("{tenant}", "user:{user_id}", 1500)
    assert (task.hook(Hook.ON_FAILURE), task.queue, task.save_result) == (hook, "urgent", False)
    assert (task.ttl_ms, task.priority, task.expires) == (60_000, -5, 30.0)
    assert (task.sensitive, task.api, task.kind) == (("password",), True, "event")


def test_task_defaults_hold_where_an_option_is_not_given():
    task = build(retries=1, defaults={"retries": 5, "timeout": 10})

    assert (task.retries, task.timeout) == (1, 10.0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"retrys": 3}, "'retrys' is not an option of a task; did you mean 'retries'?"),
        ({"zzz": 3}, "the options are: retries, "),
        ({"retries": -1}, "retries=-1: retries is the number of attempts after the first, 0 or more."),
        ({"retries": True}, "retries=True"),
        ({"retries": 1.5}, "retries=1.5"),
        ({"retry_delay": -1}, "retry_delay=-1"),
        ({"retry_delay": float("nan")}, "retry_delay=nan"),
        ({"retry_backoff": 0.5}, "1 keeps the delay constant"),
        ({"retry_delay": 7200}, "raise retry_max_delay"),
        ({"retry_on": "ValueError"}, "exception class"),
        ({"retry_on": (ValueError, 3)}, "exception class"),
        ({"timeout": 0}, "None is no limit"),
        ({"timeout": "30"}, "timeout='30'"),
        ({"name": ""}, "name=''"),
        ({"aliases": "shop.old"}, "tuple of earlier names"),
        ({"aliases": ("a b",)}, "cannot identify a function"),
        ({"rate_limit": "often"}, "rate_limit='often' is not a rate"),
        ({"max_concurrency": 0}, "at least 1"),
        ({"rate_limit_key": "{user_id}"}, "give rate_limit too"),
        ({"concurrency_key": "{user_id}"}, "give max_concurrency too"),
        (
            {
                "rate_limit": "1/s",
                "max_concurrency": 1,
                "rate_limit_key": "{user_id}",
                "concurrency_key": "x",
            },
            "give both the same template",
        ),
        (
            {"cache_key": "user:{user}"},
            "cache_key names 'user', which is no parameter of the function; did you",
        ),
        ({"cache_key": "{}"}, "parameter names in braces"),
        ({"cache_key": "{0}"}, "parameter names in braces"),
        ({"cache_key": "{user_id"}, "parameter names in braces"),
        ({"cache_ttl": 5}, "give cache_key too"),
        ({"on_start": "print"}, "is a function"),
        ({"queue": "a b"}, "cannot name a queue"),
        ({"defaults": {"queue": "x"}}, "'queue', which differs from function to function"),
        ({"save_result": "yes"}, "True or False"),
        ({"result_ttl": 0}, "save_result=False keeps nothing"),
        ({"priority": 101}, "from -100 to 100"),
        ({"expires": 0}, "None never expires"),
        ({"sensitive": "password"}, "tuple of parameter names"),
        ({"sensitive": ("pasword",)}, "did you mean 'password'?"),
        ({"api": 1}, "True or False"),
        ({"defaults": {"retires": 1}}, "UPNEXT['TASK_DEFAULTS']: 'retires' is not an option"),
        ({"kind": "job"}, "task, cron, event"),
    ],
)
def test_an_option_that_makes_no_sense_says_why_and_what_to_do(options, problem):
    with pytest.raises(DefinitionError) as caught:
        build(**options)

    assert problem in str(caught.value)


def test_an_error_names_the_function_and_its_place():
    with pytest.raises(
        DefinitionError, match=rf"^{__name__}\.send \(.*test_definition\.py:\d+\): retries=-1"
    ):
        build(retries=-1)


@pytest.mark.parametrize(
    "options",
    [
        {"cache_key": "{user_id}:{password}"},
        {"rate_limit": "1/s", "rate_limit_key": "{password.length}"},
        {"max_concurrency": 1, "concurrency_key": "{password[0]}"},
    ],
)
def test_no_key_is_made_of_a_sensitive_argument(options):
    with pytest.raises(DefinitionError, match=r"_key=.* names 'password', which is sensitive"):
        build(sensitive=("password",), **options)


@pytest.mark.parametrize("sensitive", ["card", "data"])
def test_no_key_reaches_a_sensitive_argument_through_the_free_keywords(sensitive: str):
    def handler(user: int, **data): ...

    with pytest.raises(DefinitionError, match="names 'data', which is sensitive"):
        build(handler, sensitive=(sensitive,), cache_key="{data[card]}")

    assert build(handler, sensitive=(sensitive,), cache_key="{user}").cache_key == "{user}"


def test_any_name_may_be_sensitive_where_keywords_are_free():
    def handler(**data): ...

    assert build(handler, sensitive=("card",)).sensitive == ("card",)


def test_async_functions_are_known_as_such():
    async def task() -> None: ...

    class Callable:
        async def __call__(self): ...

    @functools.wraps(task)
    def wrapper():
        return task()

    assert build(task).is_async
    assert build(Callable(), identity="shop.call").is_async
    assert not build(wrapper).is_async
    assert build(lambda: 1).function_name == "<lambda>"


def test_a_function_with_yield_is_refused():
    def items():
        yield 1

    async def more():
        yield 1

    for function in (items, more):
        with pytest.raises(DefinitionError, match="a function with yield cannot be a task"):
            build(function)


@pytest.mark.parametrize("thing", [int, Exception, "text"])
def test_only_functions_are_tasks(thing):
    with pytest.raises(DefinitionError):
        build(thing)


def test_a_template_is_filled_from_the_arguments_by_name():
    task = build(cache_key="{tenant}:{user_id:04d}")

    assert task.cache_key is not None
    assert task.render(task.cache_key, task.signature.named((7,), {"tenant": "a"})) == "a:0007"
    with pytest.raises(ArgumentError, match="cannot be filled"):
        task.render("{tenant.missing}", task.signature.named((7,), {}))


def test_the_registry_entry_is_json_and_tells_no_secret_default():
    entry = build(sensitive=("password",), rate_limit="1/s", retry_on=(OSError,)).as_json()

    assert msgspec.json.decode(msgspec.json.encode(entry)) == entry
    assert entry["function"] == f"{__name__}.send"
    assert entry["rate_limit"] == {"limit": 1, "window_ms": 1000}
    assert entry["retry_on"] == ["OSError"]
    assert entry["parameters"] == [
        {"name": "user_id", "kind": "either", "required": True, "annotation": "int"},
        {"name": "password", "kind": "either", "required": False, "annotation": "str"},
        {"name": "tenant", "kind": "keyword", "required": False, "annotation": "str", "default": "t"},
    ]
