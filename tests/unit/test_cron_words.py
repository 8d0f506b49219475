"""Cron expressions in words."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from upnext_django.admin.cron_words import in_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 3 * * *", "at 03:00"),
        ("@daily", "at 00:00"),
        ("@hourly", "every hour"),
        ("@weekly", "at 00:00, Sunday"),
        ("@monthly", "at 00:00, on day 1 of the month"),
        ("@yearly", "at 00:00, on day 1 of the month, in January"),
        ("30 6 * * mon", "at 06:30, Monday"),
        ("30 6 * * 7", "at 06:30, Sunday"),
        ("0 9 * * 1-5", "at 09:00, Monday to Friday"),
        ("0 9,17 * * mon,wed-fri", "at 09:00, 17:00, Monday, Wednesday to Friday"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:59"),
        ("5 * * * *", "every hour at minute 5"),
        ("0 */6 * * *", "every 6 hours"),
        ("15 8-18 * * *", "every hour from 08:15 to 18:15"),
        ("0 0 13 * 5", "at 00:00, on day 13 of the month or Friday"),
        ("0 0 1,15 jan-mar *", "at 00:00, on days 1, 15 of the month, in January to March"),
        ("0 0 L * *", "at 00:00, on the last day of the month"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("* * * * * *", "every second"),
        ("30 0 12 * * *", "at 12:00:30"),
    ],
)
def test_it_says_when(expression: str, words: str):
    assert in_words(expression) == words


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 * * 5#2",
        "3-40/7 1-9/2 * * *",
        "0 0 1-7 * *",
        "*/10 5 * * * *",
        "1,2,3,4 1,2 * * *",
        "nonsense",
        "",
    ],
)
def test_what_is_unusual_or_wrong_has_no_words(expression: str):
    assert in_words(expression) == ""


def test_days_and_months_are_those_of_the_language():
    with override("de"):
        assert "Montag" in in_words("30 6 * * mon")
