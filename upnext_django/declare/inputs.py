"""The inputs of a bulk submit: one dict or tuple of arguments for each job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["Inputs", "arguments_of", "check_concurrency"]

Inputs = Iterable[Mapping[str, Any] | tuple[Any, ...]]


def arguments_of(inputs: Inputs) -> Iterator[tuple[int, tuple[Any, ...], Mapping[str, Any]]]:
    """Yield the index, positional and keyword arguments of each input.

    Raises TypeError for an input that is neither a mapping nor a tuple.
    """
    for index, given in enumerate(inputs):
        if isinstance(given, tuple):
            yield index, given, {}
        elif isinstance(given, Mapping):
            yield index, (), given
        else:
            raise TypeError(
                f"inputs[{index}] is {given!r:.80}; an input is a dict of keyword arguments or a tuple of "
                f"positional ones, such as ({given!r:.80},)."
            )


def check_concurrency(concurrency: Any) -> None:
    """Raise ValueError unless ``concurrency`` is a whole number of 1 or more."""
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise ValueError(f"concurrency={concurrency!r}: give a whole number of 1 or more.")
