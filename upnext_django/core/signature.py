"""What a function takes and gives: calls are checked, encoded and read back by it."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from upnext_django.core import codec
from upnext_django.core.masking import HIDDEN
from upnext_django.core.names import identity_of
from upnext_django.core.refusal import MAX_DEPTH
from upnext_django.core.retype import Converter, converter_for
from upnext_django.exceptions import ArgumentError

__all__ = ["Parameter", "Signature", "parameters_of"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_UNRESOLVABLE = (NameError, AttributeError, TypeError, ValueError, SyntaxError, LookupError, ImportError)
_CALL: msgspec.json.Decoder[tuple[list[Any], dict[str, Any]]] = msgspec.json.Decoder(
    tuple[list[Any], dict[str, Any]]
)
_RESULT = "return value"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, without the context. ``default`` is ``inspect.Parameter.empty`` if there is none.

    ``kind`` is one of "positional", "either", "args", "keyword", "kwargs"; ``annotation`` the resolved
    type, Any where it cannot be resolved.
    """

    name: str
    kind: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a call must pass it."""
        return self.default is inspect.Parameter.empty and self.kind not in ("args", "kwargs")


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.VAR_POSITIONAL: "args",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "kwargs",
}


class Signature:
    """The parameters of a task's function, its context argument left out.

    Annotations are resolved when they are first needed, not at decoration, so that they may name what is
    defined further down. One that cannot be resolved counts as Any.
    """

    def __init__(self, func: Callable[..., Any], *, takes_context: bool, identity: str) -> None:
        self.identity = identity
        self.takes_context = takes_context
        self._func = func
        parameters = list(parameters_of(func).values())
        self._raw = parameters[1:] if takes_context else parameters
        positional = [p for p in self._raw if p.kind in _POSITIONAL]
        self._positional = [p.name for p in positional]
        self._args = next((p.name for p in self._raw if p.kind is p.VAR_POSITIONAL), None)
        self._kwargs = next((p.name for p in self._raw if p.kind is p.VAR_KEYWORD), None)
        self._names = frozenset(p.name for p in self._raw)
        empty = inspect.Parameter.empty
        self._needed = sum(1 for p in positional if p.default is empty)
        # Names that may be passed by keyword, with their place; -1 for keyword-only ones.
        self._places = {
            p.name: index for index, p in enumerate(positional) if p.kind is p.POSITIONAL_OR_KEYWORD
        }
        keyword_only = [p for p in self._raw if p.kind is p.KEYWORD_ONLY]
        self._places |= {p.name: -1 for p in keyword_only}
        self._needed_keywords = frozenset(p.name for p in keyword_only if p.default is empty)
        self._defaults = {p.name: p.default for p in self._raw if p.default is not empty}
        self._typed: _Typed | None = None

    @classmethod
    def of(
        cls,
        func: Callable[..., Any],
        *,
        context_types: tuple[type, ...] = (),
        identity: str | None = None,
    ) -> Signature:
        """Return the signature of ``func``.

        Its first parameter is the context if it is named ``ctx`` or annotated with one of
        ``context_types`` (or, where that cannot be resolved yet, with a name ``Context``).
        ``identity`` is what errors call the function; None is ``identity_of(func)``.
        """
        first = next(iter(parameters_of(func).values()), None)
        takes_context = (
            first is not None
            and first.kind in _POSITIONAL
            and (first.name == "ctx" or _is_context(func, first.annotation, context_types))
        )
        return cls(func, takes_context=takes_context, identity=identity or identity_of(func))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in order, with resolved annotations."""
        hints = self._types().hints
        return tuple(Parameter(p.name, _KINDS[p.kind], hints.get(p.name, Any), p.default) for p in self._raw)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(p.name for p in self._raw)

    @property
    def accepts_any_keyword(self) -> bool:
        """Whether there is a ``**kwargs``."""
        return self._kwargs is not None

    @property
    def keywords_name(self) -> str | None:
        """The name of the ``**kwargs``, None if there is none."""
        return self._kwargs

    @property
    def nameless(self) -> tuple[str, ...]:
        """The parameters that no keyword reaches: positional-only ones and ``*args``."""
        args = () if self._args is None else (self._args,)
        return (*(name for name in self._positional if name not in self._places), *args)

    def taken(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of ``named`` that a call may pass by keyword; all of it to a ``**kwargs``."""
        if self._kwargs is not None:
            return dict(named)
        return {name: value for name, value in named.items() if name in self._places}

    def has_parameter(self, name: str) -> bool:
        """Return whether the function has a parameter of that name; ``*args`` and ``**kwargs`` count."""
        return name in self._names

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError, naming the function, if it cannot be called like this. No value is touched."""
        count = len(args)
        if count > len(self._positional) and self._args is None:
            raise self._misfit(args, kwargs)
        if not kwargs:
            if count < self._needed or self._needed_keywords:
                raise self._misfit(args, kwargs)
            return
        places = self._places
        found = count
        for name in kwargs:
            place = places.get(name)
            if place is None:
                if self._kwargs is None:
                    raise self._misfit(args, kwargs)
            elif 0 <= place < count:
                raise self._misfit(args, kwargs)
            elif 0 <= place < self._needed:
                found += 1
        if found < self._needed or not self._needed_keywords <= kwargs.keys():
            raise self._misfit(args, kwargs)

    def encode(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, max_bytes: int | None = None
    ) -> bytes:
        """Return the JSON ``[[positional...], {keyword: ...}]`` of a call that bind() took.

        Raises ArgumentError naming the argument that cannot be sent, or the largest one if all together
        are over ``max_bytes`` bytes (None is no limit).
        """
        raw = codec.try_encode((args, kwargs), levels=MAX_DEPTH + 2)
        if raw is None:
            raw = self._encode_each(args, kwargs)
        if max_bytes is not None and len(raw) > max_bytes:
            raise self._too_large(args, kwargs, len(raw), max_bytes)
        return raw

    def canonical(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Return what identifies this call in every process: see codec.canonical()."""
        return codec.canonical((args, kwargs))

    def decode(self, raw: bytes | msgspec.Raw) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and keyword arguments of a call, as the types that annotations name.

        Raises ArgumentError naming the argument that does not fit. A call that the function no longer
        takes is not refused here but by the call itself.
        """
        try:
            args, kwargs = _CALL.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ArgumentError(
                f"The arguments of {self.identity} are not a call: {error}. They were not written by submit.",
                argument="arguments",
            ) from error
        typed = self._typed or self._types()
        if typed.is_plain:
            return args, kwargs
        for index, (name, converter) in enumerate(typed.positional):
            if index >= len(args):
                break
            if converter is not None:
                args[index] = self._convert(name, converter, args[index])
        if typed.args is not None:
            for index in range(len(typed.positional), len(args)):
                args[index] = self._convert(typed.args[0], typed.args[1], args[index])
        for name, value in kwargs.items():
            reader = typed.keywords.get(name) if name in self._places else typed.kwargs
            if reader is not None:
                kwargs[name] = self._convert(name, reader, value)
        return args, kwargs

    def decode_result(self, raw: bytes | msgspec.Raw) -> Any:
        """Return a result as the type that the return annotation names.

        A value that does not fit stays plain JSON: the function itself would have given it too.
        """
        value = codec.decode(raw)
        converter = (self._typed or self._types()).result
        if converter is None:
            return value
        try:
            return converter(value)
        except (ValueError, TypeError):
            return value

    def mask(self, args: Sequence[Any], kwargs: Mapping[str, Any], names: Iterable[str]) -> bytes:
        """Return the JSON of the call with the arguments ``names`` replaced by "[hidden]".

        The name of ``*args`` or ``**kwargs`` hides all that they take.
        """
        hidden = frozenset(names)
        count = len(self._positional)
        shown_args = [
            HIDDEN if (self._positional[index] if index < count else self._args) in hidden else value
            for index, value in enumerate(args)
        ]
        shown_kwargs = {
            name: HIDDEN if name in hidden or (name not in self._places and self._kwargs in hidden) else value
            for name, value in kwargs.items()
        }
        return self.encode(shown_args, shown_kwargs)

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, defaults included; for templates and forms."""
        named = dict(self._defaults)
        named.update(zip(self._positional, args, strict=False))
        if self._args is not None:
            named[self._args] = tuple(args[len(self._positional) :])
        extra = {}
        for name, value in kwargs.items():
            if name in self._places:
                named[name] = value
            else:
                extra[name] = value
        if self._kwargs is not None:
            named[self._kwargs] = extra
        return named

    def _types(self) -> _Typed:
        if self._typed is None:
            hints = _hints_of(self._func)
            converters: dict[str, Converter | None] = {}
            for p in self._raw:
                annotation = hints.get(p.name, Any)
                if p.default is None and annotation is not Any:
                    annotation = typing.Optional[annotation]  # noqa: UP045 - a value, not a type
                converters[p.name] = converter_for(annotation)
            self._typed = _Typed(
                hints=hints,
                positional=[(name, converters[name]) for name in self._positional],
                args=None
                if self._args is None or (reader := converters[self._args]) is None
                else (self._args, reader),
                keywords={name: converters[name] for name in self._places},
                kwargs=converters[self._kwargs] if self._kwargs is not None else None,
                result=converter_for(hints.get("return", Any)),
                is_plain=not any(converters.values()),
            )
        return self._typed

    def _convert(self, name: str, converter: Converter, value: Any) -> Any:
        try:
            return converter(value)
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f'argument "{name}" of {self.identity} does not fit its annotation: {error}. '
                "Pass what the annotation says, or widen it.",
                argument=name,
            ) from error

    def _each(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        count = len(self._positional)
        for index, value in enumerate(args):
            yield (self._positional[index] if index < count else f"{self._args}[{index - count}]"), value
        yield from kwargs.items()

    def _encode_each(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Encode argument by argument, so that an error names the one to blame."""
        parts = [
            codec.encode(value, argument=name, function=self.identity)
            for name, value in self._each(args, kwargs)
        ]
        keys = [codec.encode(name, argument=name, function=self.identity) for name in kwargs]
        named = b",".join(key + b":" + part for key, part in zip(keys, parts[len(args) :], strict=True))
        return b"[[" + b",".join(parts[: len(args)]) + b"],{" + named + b"}]"

    def _too_large(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], size: int, max_bytes: int
    ) -> ArgumentError:
        sizes = {name: len(codec.encode(value, argument=name)) for name, value in self._each(args, kwargs)}
        largest = max(sizes, key=sizes.__getitem__)
        return ArgumentError(
            f"The arguments of {self.identity} are {size:,} bytes of JSON, {sizes[largest]:,} of them "
            f'argument "{largest}"; at most {max_bytes:,} are allowed. Store it (a row, a file) and pass '
            'its id, or raise UPNEXT["MAX_PAYLOAD_BYTES"].',
            argument=largest,
        )

    def _misfit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError:
        """Return the TypeError of a wrong call in Python's own words, with the function's identity."""
        try:
            inspect.Signature(self._raw).bind(*args, **kwargs)
        except TypeError as error:
            return TypeError(f"{self.identity}() {error}")
        return TypeError(f"{self.identity}() cannot be called with these arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """What the annotations ask for; a missing converter means that JSON gives the type already."""

    hints: dict[str, Any]
    positional: list[tuple[str, Converter | None]]
    args: tuple[str, Converter] | None
    keywords: dict[str, Converter | None]
    kwargs: Converter | None
    result: Converter | None
    is_plain: bool


def parameters_of(func: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of ``func`` by name, with annotations that may not resolve yet."""
    if sys.version_info >= (3, 14):
        # Annotations are evaluated when read; names that are defined later must not fail here.
        import annotationlib

        return inspect.signature(func, annotation_format=annotationlib.Format.FORWARDREF).parameters
    return inspect.signature(func).parameters


def _is_context(func: Callable[..., Any], annotation: Any, context_types: tuple[type, ...]) -> bool:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if text is not None:
        annotation = _resolve(func, annotation)
        if annotation is _UNKNOWN:
            return bool(text.strip("\"' ").rpartition(".")[2] == "Context")
    return any(annotation is kind for kind in context_types)


def _hints_of(func: Callable[..., Any]) -> dict[str, Any]:
    """Return the resolved annotations by name; one by one where they do not resolve together."""
    unwrapped = inspect.unwrap(func)
    try:
        return typing.get_type_hints(unwrapped)
    except _UNRESOLVABLE:
        pass
    annotations = {name: p.annotation for name, p in parameters_of(func).items()}
    annotations["return"] = getattr(unwrapped, "__annotations__", {}).get("return", Any)
    hints = {}
    for name, annotation in annotations.items():
        resolved = _resolve(unwrapped, annotation)
        hints[name] = Any if resolved is _UNKNOWN or resolved is inspect.Parameter.empty else resolved
    return hints


_UNKNOWN = object()


def _resolve(func: Callable[..., Any], annotation: Any) -> Any:
    """Return one annotation resolved in the function's module, or _UNKNOWN."""
    holder = types.SimpleNamespace(__annotations__={"value": annotation})
    module = getattr(inspect.unwrap(func), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=module)["value"]
    except _UNRESOLVABLE:
        return _UNKNOWN
