"""What a cron expression may be; everything else is refused where it stands, within milliseconds."""

from __future__ import annotations

import time

import pytest

from upnext_django.core.cron import Schedule
from upnext_django.core.expression import parse_expression
from upnext_django.exceptions import DefinitionError


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("0 9 * * *", "0 0 9 * * *"),
        ("*/10 0 9 * * *", "*/10 0 9 * * *"),
        ("  0   9 * * * ", "0 0 9 * * *"),
        ("@daily", "0 0 0 * * *"),
        ("@Hourly", "0 0 * * * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("0 9 * jan,Mar mon-fri", "0 0 9 * 1,3 1-5"),
        ("0 9 * * fri-sun", "0 0 9 * * 5-7"),
        ("5/20 9 * * *", "0 5-59/20 9 * * *"),
        ("0 9 L * ?", "0 0 9 l * *"),
        ("0 9 * * fri#2", "0 0 9 * * 5#2"),
        ("0 9 * * L5", "0 0 9 * * l5"),
    ],
)
def test_it_is_read_in_numbers_with_the_second_first(text: str, fields: str):
    assert parse_expression(text).fields == fields


@pytest.mark.parametrize(
    ("text", "repeats", "every_hour"),
    [
        ("30 1 * * *", False, False),
        ("*/5 1 * * *", True, False),
        ("30 * * * *", True, True),
        ("30 0-23 * * *", True, True),
        ("0 */2 * * *", True, True),
        ("* 30 1 * * *", True, False),
        ("0,30 1,2 * * *", False, False),
    ],
)
def test_intervals_are_told_from_times_of_day(text: str, repeats: bool, every_hour: bool):
    read = parse_expression(text)

    assert (read.repeats, read.every_hour) == (repeats, every_hour)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0 1--100000000 * *", "'1--100000000' is no day of the month"),
        ("0 0 1-100000000 * *", "is no day of the month"),
        ("0 0 30 2 *", "no month of it has a day 30"),
        ("0 0 31 4,6,9,11 *", "no month of it has a day 31"),
        ("60 * * * *", "outside 0-59"),
        ("0 24 * * *", "outside 0-23"),
        ("0 0 0 * *", "outside 1-31"),
        ("0 0 * * 8", "outside 0-7"),
        ("0 22-2 * * *", "write 22-23,0-2"),
        ("*/0 * * * *", "must be 1 to 59"),
        ("*/90 * * * *", "must be 1 to 59"),
        ("? * * * *", "stands for any day only"),
        ("R * * * *", "no minute"),
        ("H H * * *", "no minute"),
        ("\u0661 * * * *", "no minute"),
        ("* * * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("0 0 0 1 1 * 2030", "has 7 fields"),
        ("@reboot", "the names are @yearly"),
        ("1," * 5000 + "1 * * * *", "at most 200 characters"),
        (None, "a text"),
        (b"0 9 * * *", "a text"),
    ],
)
def test_another_is_refused_at_once(text: str, why: str):
    spent = []
    for _ in range(3):  # a collection of garbage may fall into one
        began = time.thread_time()
        with pytest.raises(DefinitionError, match="cron") as caught:
            parse_expression(text)
        spent.append(time.thread_time() - began)

    assert min(spent) < 0.05
    assert why in str(caught.value)
    assert '"0 9 * * *"' in str(caught.value), "it shows one that is right"
    assert len(str(caught.value)) < 500


def test_a_day_of_the_week_is_enough_beside_a_day_that_the_month_does_not_have():
    assert parse_expression("0 0 30 2 1").fields == "0 0 0 30 2 1"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", None, 5])
def test_a_zone_that_does_not_exist_is_refused(zone: str):
    with pytest.raises(DefinitionError, match="timezone="):
        Schedule("0 9 * * *", zone)
