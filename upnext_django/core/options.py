"""The options of a task, checked one by one: the value, the rule, the way out."""

from __future__ import annotations

import inspect
import math
import string
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from upnext_django.core.names import check_function_name
from upnext_django.core.rates import Rate, parse_rate
from upnext_django.core.signature import Signature
from upnext_django.exceptions import DefinitionError

__all__ = ["DEFAULTS", "Hook", "check_defaults", "check_options", "check_together", "names_in"]


class Hook(StrEnum):
    """The moments at which a task calls a function of the user's."""

    ON_START = "on_start"
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ON_RETRY = "on_retry"
    ON_COMPLETE = "on_complete"


#: every option of ``@worker.task``, with its default; ``queue`` is the worker's business
DEFAULTS: Mapping[str, Any] = {
    "retries": 0,
    "retry_delay": 1.0,
    "retry_backoff": 2.0,
    "retry_jitter": 0.1,
    "retry_max_delay": 3600.0,
    "retry_on": None,
    "no_retry_on": (),
    "timeout": 1800.0,
    "name": None,
    "aliases": (),
    "rate_limit": None,
    "max_concurrency": None,
    "rate_limit_key": None,
    "concurrency_key": None,
    "cache_key": None,
    "cache_ttl": None,
    **{hook.value: None for hook in Hook},
    "save_result": True,
    "result_ttl": 3600,
    "priority": 0,
    "expires": None,
    "sensitive": (),
    "api": False,
}

_OF_ONE_FUNCTION = ("name", "aliases", "queue")

_Check = Callable[[str, Any], Any]


def check_options(given: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Return the options, each in the form that TaskDefinition keeps.

    ``source`` begins every error: "shop.tasks.send (shop/tasks.py:12)". Raises DefinitionError for an
    unknown name and for a value outside its option's rule.
    """
    checked = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            near = get_close_matches(name, _CHECKS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are: {', '.join(_CHECKS)}."
            raise DefinitionError(f"{source}: {name!r} is not an option of a task; {hint}")
        try:
            checked[name] = check(name, value)
        except DefinitionError as error:
            raise DefinitionError(f"{source}: {error}") from None
    return checked


def check_defaults(given: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Return TASK_DEFAULTS like check_options(); also refuse what belongs to one function."""
    for name in _OF_ONE_FUNCTION:
        if name in given:
            raise DefinitionError(
                f"{source}: UPNEXT['TASK_DEFAULTS'] has {name!r}, which differs from function to function; "
                "give it to the task itself."
            )
    return check_options(given, source=f"{source}: UPNEXT['TASK_DEFAULTS']")


def check_together(options: Mapping[str, Any], signature: Signature, *, source: str) -> None:
    """Raise DefinitionError for options that contradict each other or the function's parameters."""
    problem = _contradiction(options)
    if problem is not None:
        raise DefinitionError(f"{source}: {problem}")
    for option in ("rate_limit_key", "concurrency_key", "cache_key"):
        for name in names_in(options[option] or ""):
            _require_parameter(option, name, signature, source)
    _check_keys_are_not_sensitive(options, signature, source)
    for name in options["sensitive"]:
        if not signature.accepts_any_keyword:
            _require_parameter("sensitive", name, signature, source)


def _check_keys_are_not_sensitive(options: Mapping[str, Any], signature: Signature, source: str) -> None:
    """Refuse keys made of sensitive arguments: Redis has them, or a hash that can be guessed, readable."""
    sensitive = set(options["sensitive"])
    # A name that no parameter has hides in **kwargs, and a template reaches it through that.
    hides_in_keywords = any(not signature.has_parameter(name) for name in sensitive)
    for option in ("rate_limit_key", "concurrency_key", "cache_key"):
        for name in names_in(options[option] or ""):
            if name in sensitive or (hides_in_keywords and name == signature.keywords_name):
                raise DefinitionError(
                    f"{source}: {option}={options[option]!r} names {name!r}, which is sensitive, and keys "
                    "are stored readable. Make the key of an argument that may be seen, such as an id."
                )


def names_in(template: str) -> tuple[str, ...]:
    """Return the parameters that a template like ``"user:{user_id}"`` names."""
    fields = (field for _, field, _, _ in string.Formatter().parse(template) if field is not None)
    return tuple(field.replace("[", ".").partition(".")[0] for field in fields)


def _contradiction(options: Mapping[str, Any]) -> str | None:
    if options["retry_delay"] > options["retry_max_delay"]:
        return (
            f"retry_delay={options['retry_delay']} is longer than retry_max_delay="
            f"{options['retry_max_delay']}; raise retry_max_delay to at least that."
        )
    for key, limit in (("rate_limit_key", "rate_limit"), ("concurrency_key", "max_concurrency")):
        if options[key] is not None and options[limit] is None:
            return f"{key}={options[key]!r} limits nothing by itself; give {limit} too."
    keys = options["rate_limit_key"], options["concurrency_key"]
    if None not in keys and keys[0] != keys[1]:
        return (
            f"rate_limit_key={keys[0]!r} and concurrency_key={keys[1]!r} differ; "
            "a job can wait in one place only, so give both the same template."
        )
    if options["cache_ttl"] is not None and options["cache_key"] is None:
        return f"cache_ttl={options['cache_ttl']} caches nothing by itself; give cache_key too."
    return None


def _require_parameter(option: str, name: str, signature: Signature, source: str) -> None:
    if signature.has_parameter(name):
        return
    names = signature.names
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its parameters are: {', '.join(names) or 'none'}."
    raise DefinitionError(f"{source}: {option} names {name!r}, which is no parameter of the function; {hint}")


def _refuse(name: str, value: Any, rule: str) -> DefinitionError:
    return DefinitionError(f"{name}={value!r}: {name} {rule}")


def _integer(low: int, high: int, rule: str, *, optional: bool = False) -> _Check:
    def check(name: str, value: Any) -> int | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refuse(name, value, rule)
        return int(value)

    return check


def _number(low: float, rule: str, *, optional: bool = False, above: bool = False) -> _Check:
    def check(name: str, value: Any) -> float | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _refuse(name, value, rule)
        if value < low or (above and value == low):
            raise _refuse(name, value, rule)
        return float(value)

    return check


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refuse(name, value, "is True or False.")
    return value


def _exceptions(*, optional: bool) -> _Check:
    def check(name: str, value: Any) -> tuple[type[BaseException], ...] | None:
        if value is None:
            return None if optional else ()
        classes = (value,) if isinstance(value, type) else tuple(value) if _is_listing(value) else (value,)
        if not all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
            raise _refuse(name, value, "is an exception class or a tuple of them, like (ConnectionError,).")
        return classes

    return check


def _texts(rule: str, check_one: Callable[[str], str]) -> _Check:
    def check(name: str, value: Any) -> tuple[str, ...]:
        if value is None:
            return ()
        if not _is_listing(value) or not all(isinstance(each, str) for each in value):
            raise _refuse(name, value, rule)
        return tuple(check_one(each) for each in value)

    return check


def _is_listing(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _rate(name: str, value: Any) -> Rate | None:
    return value if value is None or isinstance(value, Rate) else parse_rate(value)


def _template(name: str, value: Any) -> str | None:
    rule = 'is a text with parameter names in braces, like "user:{user_id}".'
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise _refuse(name, value, rule)
    try:
        fields = names_in(value)
    except ValueError as error:
        raise _refuse(name, value, f"{rule[:-1]} ({error}).") from None
    if not all(field.isidentifier() for field in fields):
        raise _refuse(name, value, rule)
    return value


def _hook(name: str, value: Any) -> Callable[..., Any] | None:
    if value is not None and not (callable(value) and _takes_context_at_most(value)):
        raise _refuse(name, value, "is a function, sync or async, with no argument or the context.")
    return value  # type: ignore[no-any-return]


def _takes_context_at_most(hook: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(hook).parameters.values()
    except (TypeError, ValueError):
        return True  # a builtin that does not tell
    required = [one for one in parameters if one.default is one.empty and "VAR" not in one.kind.name]
    return len(required) <= 1 and all(one.kind is not one.KEYWORD_ONLY for one in required)


def _display_name(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > 255 or not value.isprintable():
        raise _refuse(name, value, "is a text of 1 to 255 printable characters; None is the function's name.")
    return value


_SECONDS = "is a number of seconds, at least 0."
_DURATION = "is a number of seconds above 0; None is no limit."

_CHECKS: Mapping[str, _Check] = {
    "retries": _integer(0, 1_000_000, "is the number of attempts after the first, 0 or more."),
    "retry_delay": _number(0, _SECONDS),
    "retry_backoff": _number(1, "is a factor of at least 1; 1 keeps the delay constant."),
    "retry_jitter": _number(0, "is a fraction of the delay, at least 0; 0.1 lengthens it by up to a tenth."),
    "retry_max_delay": _number(0, _SECONDS),
    "retry_on": _exceptions(optional=True),
    "no_retry_on": _exceptions(optional=False),
    "timeout": _number(0, _DURATION, optional=True, above=True),
    "name": _display_name,
    "aliases": _texts('is a tuple of earlier names, like ("shop.tasks.old_name",).', check_function_name),
    "rate_limit": _rate,
    "max_concurrency": _integer(
        1, 1_000_000, "is an integer of at least 1; None is no limit.", optional=True
    ),
    "rate_limit_key": _template,
    "concurrency_key": _template,
    "cache_key": _template,
    "cache_ttl": _number(0, "is a number of seconds above 0.", optional=True, above=True),
    **{hook.value: _hook for hook in Hook},
    "save_result": _switch,
    "result_ttl": _number(0, "is a number of seconds above 0; save_result=False keeps nothing.", above=True),
    "priority": _integer(-100, 100, "is an integer from -100 to 100; above 0 runs earlier."),
    "expires": _number(0, "is a number of seconds above 0; None never expires.", optional=True, above=True),
    "sensitive": _texts('is a tuple of parameter names, like ("password",).', str),
    "api": _switch,
}
