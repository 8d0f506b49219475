import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core import codec
from upnext_django.core.retype import converter_for
from upnext_django.exceptions import ArgumentError

aware = st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=45))]))
typed = st.one_of(
    st.tuples(st.just(dt.datetime), st.datetimes() | aware),
    st.tuples(st.just(dt.date), st.dates()),
    st.tuples(st.just(dt.time), st.times()),
    st.tuples(st.just(dt.timedelta), st.timedeltas()),
    st.tuples(st.just(uuid.UUID), st.uuids()),
    st.tuples(st.just(Decimal), st.decimals(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(bytes), st.binary()),
    st.tuples(st.just(tuple), st.tuples(st.integers(), st.text(st.characters(codec="utf-8")))),
    st.tuples(st.just(set[int]), st.sets(st.integers())),
    st.tuples(st.just(frozenset[uuid.UUID]), st.frozensets(st.uuids())),
    st.tuples(st.just(dict[uuid.UUID, dt.date]), st.dictionaries(st.uuids(), st.dates())),
    st.tuples(st.just(dict[int, list[dt.date]]), st.dictionaries(st.integers(), st.lists(st.dates()))),
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=50,
)


@settings(deadline=None)  # a shared machine may be slow
@given(plain)
def test_plain_values_come_back_as_they_were(value):
    assert codec.decode(codec.encode(value, argument="x")) == value


@settings(deadline=None)  # a shared machine may be slow
@given(typed)
def test_typed_values_come_back_as_their_annotation_says(pair):
    annotation, value = pair

    convert = converter_for(annotation)
    assert convert is not None

    back = convert(codec.decode(codec.encode(value, argument="x")))

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**4000])
def test_integers_beyond_64_bits_come_back_whole(number):
    assert codec.decode(codec.encode([number], argument="x")) == [number]


@settings(deadline=None)  # a shared machine may be slow
@given(
    st.recursive(st.floats() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_every_value_is_either_carried_whole_or_refused(value):
    """msgspec writes NaN as null: without a look at the value it would arrive as None."""
    try:
        raw = codec.encode(value, argument="x")
    except ArgumentError:
        return
    assert codec.decode(raw) == value


class Colour(enum.Enum):
    RED = "red"
    NAN = float("nan")


class Point(msgspec.Struct):
    x: float
    label: str | None = None


@dataclasses.dataclass
class Line:
    points: list[Point]


class Order(pydantic.BaseModel):
    id: uuid.UUID
    price: float = 1.0


class Text(str):
    __slots__ = ()

    def __str__(self):
        return self


class Whole(int):
    pass


class Real(float):
    pass


def test_objects_with_fields_travel_as_objects():
    order = Order(id=uuid.UUID(int=1))
    value = {"line": Line([Point(1.0)]), "order": order, "colour": Colour.RED}

    assert codec.decode(codec.encode(value, argument="x")) == {
        "line": {"points": [{"x": 1.0, "label": None}]},
        "order": {"id": str(order.id), "price": 1.0},
        "colour": "red",
    }


def test_subclasses_of_plain_types_travel_as_those():
    """Django's SafeString is a str that msgspec refuses."""
    assert codec.encode([Text("<b>"), Whole(3), Real(2.5)], argument="x") == b'["<b>",3,2.5]'


@pytest.mark.parametrize(
    ("base", "value"),
    [
        (dt.datetime, (2024, 2, 29, 1, 2, 3, 4, dt.UTC)),
        (dt.date, (2024, 2, 29)),
        (dt.time, (1, 2, 3, 4)),
        (dt.timedelta, (-3, 2, 1)),
        (uuid.UUID, ("018bcfe5-687b-7001-8000-000000000000",)),
        (Decimal, ("1.50",)),
        (bytes, (b"\x00\xff",)),
    ],
)
def test_a_subclass_of_a_known_type_arrives_as_its_base(base, value):
    """Frozen clocks, database drivers and pandas hand out subclasses, which msgspec refuses."""
    special = type("Special", (base,), {})(*value)
    convert = converter_for(base)
    assert convert is not None

    back = convert(codec.decode(codec.encode(special, argument="x")))

    assert back == base(*value)
    assert type(back) is base


def test_a_lazy_string_of_djangos_is_sent_as_its_text():
    promise: Any = type("Promise", (), {"__module__": "django.utils.functional"})

    class Lazy(promise):  # type: ignore[misc]
        def __str__(self):
            return Text("Bestellung")

    assert codec.encode({"title": Lazy()}, argument="x") == b'{"title":"Bestellung"}'


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_32_levels_are_sent_and_33_are_not():
    assert codec.encode(nested(32), argument="x") == b"[" * 32 + b"]" * 32
    assert codec.encode([nested(31)] * 40, argument="x")
    for value in (nested(33), [nested(32)] * 40, nested(5000)):
        with pytest.raises(ArgumentError, match="more than 32 levels"):
            codec.encode(value, argument="x")


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"name": "loop"}
    value["again"] = [value]
    return value


class Model:
    _meta = object()
    pk = 7


Model.__module__ = "shop.models"
Model.__qualname__ = "Order"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), 'argument "order" of shop.tasks.f is nan. JSON'),
        ([1.0, {"price": float("-inf")}], "at order[1]['price'], is -inf"),
        (Real("nan"), "is nan"),
        (Point(float("inf")), "at order.x, is inf"),
        (Line([Point(float("nan"))]), "at order.points[0].x, is nan"),
        (Colour.NAN, "is nan"),
        ({float("nan"): 1}, "has the key nan"),
        (cycle(), "at order['again'][0], contains itself"),
        (
            Model(),
            (
                'argument "order" of shop.tasks.f is a shop.models.Order instance. '
                "Pass order.pk and load it in the task."
            ),
        ),
        ([Model()], "at order[0], is a shop.models.Order instance. Pass order[0].pk"),
        (object(), "is a object. It cannot be sent as JSON; pass one of: None, bool"),
        ([lambda: 1], "at order[0], is a function"),
        (1j, "is a complex"),
        ((i for i in range(0)), "is a generator"),
        (int, "is a type"),
        ({(1, 2): 3}, "has the key (1, 2)"),
        ({True: 3}, "has the key True"),
        ({"x": {float("-inf"): 1}}, "at order['x'], has the key -inf"),
        ("\ud800", "has the lone surrogate '\\ud800' at 0"),
        ({"\udfff": 1}, "lone surrogate"),
        (Text("a\ud800"), "lone surrogate"),
        pytest.param(10**5000, "more than 4300 digits", id="huge"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_place_and_a_way_out(value, problem):
    with pytest.raises(ArgumentError) as caught:
        codec.encode(value, argument="order", function="shop.tasks.f")

    assert problem in str(caught.value)
    assert str(caught.value).startswith('argument "order" of shop.tasks.f')
    assert caught.value.argument == "order"


def test_a_return_value_is_called_that():
    with pytest.raises(ArgumentError, match=r"the return value of shop\.tasks\.f is nan"):
        codec.encode(float("nan"), argument="return value", function="shop.tasks.f")


def test_a_model_whose_own_dump_fails_is_refused():
    class Broken:
        def model_dump(self, mode):
            raise ValueError("not today")

    with pytest.raises(ArgumentError, match="cannot be encoded: not today"):
        codec.encode(Broken(), argument="x")


def test_size_is_counted_in_bytes_and_the_limit_itself_is_allowed():
    assert codec.encode("é" * 4, argument="x", max_bytes=10)
    with pytest.raises(ArgumentError, match=r"is 11 bytes of JSON; at most 10 are .*MAX_PAYLOAD_BYTES"):
        codec.encode("é" * 4 + "a", argument="x", max_bytes=10)
    with pytest.raises(ArgumentError, match="MAX_RESULT_BYTES"):
        codec.encode("é" * 4 + "a", argument="return value", max_bytes=10)


def test_what_identifies_a_call_does_not_depend_on_the_order_of_a_set():
    """A set of texts has another order in every process; a redelivered parent must find its children."""
    words = [f"word-{i:02d}" for i in range(50)]

    assert codec.decode(codec.canonical([set(words), {"b": 1, "a": 2}])) == [words, {"a": 2, "b": 1}]
    assert list(codec.decode(codec.canonical({"b": 1, "a": 2}))) == ["a", "b"]
