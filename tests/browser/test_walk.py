"""What docs/tutorial promises a new operator."""

from __future__ import annotations

import time

import pytest

from example_project.shop.tasks import always_fails
from tests.browser.site import Site, elsewhere
from tests.browser.visitor import Visitor
from tests.browser.walk import repair
from tests.waiting import wait_until
from upnext_django.models import JobRecord, StatRecord

pytestmark = pytest.mark.browser

CLICKS = 5
WITHIN_S = 60.0


def test_a_failed_job_is_understood_mended_and_run_again_in_a_minute_and_five_clicks(
    operator: Visitor, site: Site
) -> None:
    failed = elsewhere(lambda: always_fails.submit_sync(amount=0).job_id)
    ended = JobRecord.objects.filter(id=failed, status="failed")
    wait_until(lambda: elsewhere(ended.exists), "the row says failed", timeout=30)
    counted = StatRecord.objects.filter(function=always_fails.name, outcome="failed")
    wait_until(lambda: elsewhere(counted.exists), "it is counted", timeout=30)
    began = time.monotonic()

    made = repair(operator, operator.check)

    assert operator.clicks <= CLICKS
    assert time.monotonic() - began < WITHIN_S
    mended = JobRecord.objects.filter(id=made, replay_of=failed, status="complete")
    wait_until(lambda: elsewhere(mended.exists), "the new job is complete", timeout=30)
