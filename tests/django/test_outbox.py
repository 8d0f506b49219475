"""With the outbox a submit is a row in the transaction, and the commit sends it and takes it out."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.utils import OperationalError
from django.test import TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from tests.django.recording import ACCEPTED, RecordingBroker, Sending
from upnext_django.exceptions import Backpressure, RedisUnavailable
from upnext_django.models import OutboxEntry
from upnext_django.outbox import outage

AWAY = RedisUnavailable("Redis is down.", url="redis://:***@host")


class Oops(Exception):
    pass


class Looking(Sending):
    """What both kinds of test case share besides."""

    @pytest.fixture(autouse=True)
    def keep_logs(self, caplog: pytest.LogCaptureFixture) -> None:
        self.log = caplog
        caplog.set_level(logging.DEBUG, "upnext.outbox")

    def rows(self, using: str = "default") -> list[str]:
        return list(OutboxEntry.objects.using(using).values_list("job_id", flat=True))


@override_settings(UPNEXT={"OUTBOX": True})
class OutsideTests(Looking, TransactionTestCase):
    databases = {"default", "other"}

    def test_it_is_a_row_until_the_commit_and_then_in_redis(self):
        with transaction.atomic():
            delivery = self.submit("a")
            assert (delivery.state, self.rows(), self.broker.sent) == ("deferred", ["a"], [])

        assert (delivery.state, delivery.replies) == ("sent", [ACCEPTED])
        assert (self.rows(), self.broker.sent) == ([], ["a"])

    def test_jobs_submitted_at_once_are_one_insert_and_a_commit_one_write_and_one_delete(self):
        ids = [f"id-{n}" for n in range(100)]

        with CaptureQueriesContext(connections["default"]) as captured, transaction.atomic():
            self.submit(*ids)
            self.submit("last")

        words = [query["sql"].split()[0] for query in captured.captured_queries]
        assert [word for word in words if word not in ("BEGIN", "COMMIT")] == ["INSERT", "INSERT", "DELETE"]
        assert self.broker.writes == [[*ids, "last"]]
        assert self.rows() == []

    def test_a_rollback_takes_the_row_along(self):
        with suppress(Oops), transaction.atomic():
            delivery = self.submit("a")
            raise Oops

        assert (delivery.state, self.rows(), self.broker.sent) == ("discarded", [], [])

    def test_a_rolled_back_savepoint_takes_its_own_rows_along(self):
        self.broker.failure = AWAY
        with transaction.atomic():
            self.submit("before")
            with suppress(Oops), transaction.atomic():
                self.submit("inner")
                raise Oops
            self.submit("after")

        assert self.rows() == ["before", "after"]

    def test_redis_away_at_the_commit_is_logged_and_the_row_stays(self):
        self.broker.failure = AWAY

        with transaction.atomic():
            first, second = self.submit("a"), self.submit("b")

        assert (first.state, second.state, first.replies) == ("stored", "stored", None)
        assert self.rows() == ["a", "b"]
        (record,) = (
            one for one in self.log.records if (one.name, one.levelname) == ("upnext.outbox", "WARNING")
        )
        assert "a (shop.tasks.charge), b (shop.tasks.charge)" in record.message
        assert "Redis is down." in record.message

    def test_so_are_a_refusal_and_too_many_events(self):
        for failure in (
            Backpressure("too many events"),
            RedisUnavailable("no", url="redis://", refused=True),
        ):
            self.broker = RecordingBroker(failure)
            with transaction.atomic():
                self.submit(type(failure).__name__)

        assert self.rows() == ["Backpressure", "RedisUnavailable"]

    def test_any_other_error_is_the_committers(self):
        self.broker.failure = Oops("a bug")

        with pytest.raises(Oops), transaction.atomic():
            delivery = self.submit("a")

        assert (delivery.state, self.rows()) == ("stored", ["a"])

    @mock.patch.object(outage, "_PAUSE_S", 3600)
    def test_after_a_failure_a_commit_does_not_wait_for_redis_for_a_moment(self):
        self.broker.failure = AWAY
        for name in "abc":
            with transaction.atomic():
                self.submit(name)

        assert self.broker.asked == 1
        assert self.rows() == ["a", "b", "c"]

    def test_another_redis_is_not_concerned(self):
        self.broker.failure = AWAY
        with transaction.atomic():
            self.submit("a")
        self.broker = RecordingBroker()
        with transaction.atomic():
            self.submit("b")

        assert (self.rows(), self.broker.sent) == (["a"], ["b"])

    def test_a_row_that_cannot_be_taken_out_is_the_relays(self):
        def refuse(execute, sql, params, many, context):
            if sql.startswith("DELETE"):
                raise OperationalError("database is locked")
            return execute(sql, params, many, context)

        with connections["default"].execute_wrapper(refuse), transaction.atomic():
            delivery = self.submit("a")

        assert (delivery.state, self.broker.sent, self.rows()) == ("sent", ["a"], ["a"])
        assert "database is locked" in self.log.text

    def test_the_same_child_submitted_again_is_no_error(self):
        """An attempt that runs again after a crash makes its children with the ids they had."""
        self.broker.failure = AWAY
        for _ in range(2):
            with transaction.atomic():
                self.submit("child")

        assert self.rows() == ["child"]

    def test_on_commit_false_is_no_row(self):
        with transaction.atomic():
            assert self.submit("a", on_commit=False).state == "sent"
            assert self.rows() == []
            self.broker.failure = AWAY
            with pytest.raises(RedisUnavailable):
                self.submit("b", on_commit=False)

        assert self.rows() == []

    def test_without_a_transaction_it_is_sent_at_once(self):
        with CaptureQueriesContext(connections["default"]) as captured:
            delivery = self.submit("a")

        assert (delivery.state, self.broker.sent, len(captured)) == ("sent", ["a"], 0)

    @mock.patch.object(outage, "_PAUSE_S", 3600)
    def test_without_a_transaction_and_without_redis_it_is_a_row(self):
        self.broker.failure = AWAY

        first, second = self.submit("a"), self.submit("b")

        assert (first.state, second.state) == ("stored", "stored")
        assert (self.rows(), self.broker.asked) == (["a", "b"], 1)

    def test_a_job_that_the_caller_waits_for_is_no_row(self):
        self.broker.failure = AWAY

        with pytest.raises(RedisUnavailable):
            self.submit("a", reply="me")

        assert self.rows() == []

    def test_where_a_loop_runs_there_is_no_database_for_it(self):
        self.broker.failure = AWAY

        async def submit() -> None:
            self.submit("a")

        with pytest.raises(RedisUnavailable):
            asyncio.run(submit())

        assert self.rows() == []

    def test_the_row_is_in_the_database_of_the_transaction(self):
        self.broker.failure = AWAY
        with transaction.atomic(using="other"):
            self.submit("a")
        with transaction.atomic(using="default"), transaction.atomic(using="other"):
            self.submit("b", using="other")
            self.submit("c")

        assert (self.rows("other"), self.rows("default")) == (["a", "b"], ["c"])

    @override_settings(UPNEXT={"OUTBOX": True, "OUTBOX_DATABASES": ["default"]})
    def test_a_database_without_an_outbox_refuses_before_anything_is_written(self):
        with transaction.atomic(using="other"):
            with pytest.raises(ImproperlyConfigured, match="'other' has no outbox"):
                self.submit("a")
            assert self.submit("b", on_commit=False).state == "sent"

        assert self.broker.sent == ["b"]

    @override_settings(UPNEXT={"OUTBOX": True, "OUTBOX_DATABASES": ["other"]})
    def test_where_no_outbox_can_take_it_a_submit_says_both(self):
        self.broker.failure = RedisUnavailable("Redis is down.", url="redis://")

        with pytest.raises(RedisUnavailable, match=r"Redis is down\.") as caught:
            self.submit("a")

        assert "'default' has no outbox" in caught.value.__notes__[0]


@override_settings(UPNEXT={"OUTBOX": True})
class InsideTests(Looking, TestCase):
    def test_in_a_testcase_a_submit_is_sent_at_once(self):
        assert self.submit("a").state == "sent"
        assert self.rows() == []

    def test_in_a_block_of_its_own_it_waits_for_the_captured_callbacks(self):
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            delivery = self.submit("a")
            assert (delivery.state, self.rows()) == ("deferred", ["a"])

        assert (delivery.state, self.broker.sent, self.rows()) == ("sent", ["a"], [])

    def test_callbacks_that_are_not_captured_leave_the_row(self):
        with transaction.atomic():
            self.submit("a")

        assert (self.broker.sent, self.rows()) == ([], ["a"])
