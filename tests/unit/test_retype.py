# ruff: noqa: UP007, UP045 - the old spellings are among what users write
import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Optional, TypedDict, TypeVar, Union

import pydantic
import pytest

from upnext_django.core.retype import converter_for

U = uuid.UUID(int=7)
T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Pair(enum.Enum):
    ONE_TWO = (1, 2)
    TEXT = "text"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    id: uuid.UUID
    tags: set[str] = set()


@dataclasses.dataclass
class Basket:
    order: Strict
    days: list[dt.date]


class Box(TypedDict):
    day: dt.date


class Opaque:
    pass


@pytest.mark.parametrize(
    "annotation",
    [
        Any, object, None, bool, int, float, str, list, dict, list[int], dict[str, Any], dict[str, list[str]],
        int | None, Optional[str], Union[int, str], list[dict[str, float | None]], Literal["a", 1], T,
        Opaque, list[Opaque], Opaque | None, Callable[[int], int], complex, type,
    ],
)  # fmt: skip
def test_annotations_that_json_already_fits_cost_nothing(annotation):
    assert converter_for(annotation) is None


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (uuid.UUID, str(U), U),
        (uuid.UUID | None, None, None),
        (Optional[uuid.UUID], str(U), U),
        (list[uuid.UUID], [str(U)], [U]),
        (Sequence[uuid.UUID], [str(U)], [U]),
        (Iterable[dt.date], ["2024-02-29"], [dt.date(2024, 2, 29)]),
        (tuple[int, uuid.UUID], [1, str(U)], (1, U)),
        (tuple[uuid.UUID, ...], [str(U)], (U,)),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (dict[Colour, int], {"red": 1}, {Colour.RED: 1}),
        (uuid.UUID | int, 3, 3),
        (uuid.UUID | str, "no uuid", "no uuid"),
        (uuid.UUID | str, str(U), U),
        (bytes | str, "test", "test"),
        (dt.date | dt.datetime, "2024-02-29", dt.date(2024, 2, 29)),
        (dt.date | dt.datetime, "2024-02-29T01:00:00", dt.datetime(2024, 2, 29, 1)),  # noqa: DTZ001
        (list[dt.date | dt.datetime | None], ["2024-02-29", None], [dt.date(2024, 2, 29), None]),
        (Opaque | uuid.UUID, str(U), U),
        (Opaque | uuid.UUID, [1], [1]),
        (Colour, "red", Colour.RED),
        (Pair, [1, 2], Pair.ONE_TWO),
        (list[Pair | None], ["text", None], [Pair.TEXT, None]),
        (Rights, 3, Rights.READ | Rights.WRITE),
        (Literal[Colour.RED], "red", Colour.RED),
        (Strict, {"id": str(U), "tags": ["a"]}, Strict(id=U, tags={"a"})),
        (Strict | None, {"id": str(U)}, Strict(id=U)),
        (
            Basket,
            {"order": {"id": str(U)}, "days": ["2024-02-29"]},
            Basket(Strict(id=U), [dt.date(2024, 2, 29)]),
        ),
        (Basket | Strict, {"id": str(U)}, Strict(id=U)),
        (Box, {"day": "2024-02-29"}, {"day": dt.date(2024, 2, 29)}),
    ],
)
def test_values_become_what_the_annotation_names(annotation, value, expected):
    convert = converter_for(annotation)
    assert convert is not None

    back = convert(value)

    assert back == expected
    assert type(back) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (uuid.UUID, "zz"),
        (uuid.UUID, None),
        (Colour, "blue"),
        (Pair, [1, 3]),
        (Strict, {"id": 3}),
        (list[uuid.UUID], {"a": 1}),
        (uuid.UUID | int, "zz"),
        (dt.date | dt.datetime, "zz"),
        (Literal[Colour.RED], "blue"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(annotation, value):
    convert = converter_for(annotation)
    assert convert is not None

    with pytest.raises((ValueError, TypeError)):
        convert(value)
