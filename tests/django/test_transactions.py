"""A submit in a transaction leaves with its commit, never without it, in one write."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import connections, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from tests.django.recording import ACCEPTED, RecordingBroker, Sending
from upnext_django.exceptions import RedisUnavailable


class Oops(Exception):
    pass


class OutsideTests(Sending, TransactionTestCase):
    databases = {"default", "other"}

    def test_without_a_transaction_a_job_is_sent_at_once(self):
        delivery = self.submit("a")

        assert (delivery.state, delivery.replies) == ("sent", [ACCEPTED])
        assert self.broker.writes == [["a"]]
        assert not self.sender.defers(using=None, on_commit=True)

    def test_inside_a_transaction_it_leaves_with_the_commit(self):
        with transaction.atomic():
            delivery = self.submit("a")
            assert (delivery.state, delivery.replies, self.broker.writes) == ("deferred", None, [])
            assert self.sender.defers(using=None, on_commit=True)

        assert (delivery.state, delivery.replies) == ("sent", [ACCEPTED])
        assert self.broker.writes == [["a"]]

    def test_on_commit_false_sends_at_once(self):
        with transaction.atomic():
            delivery = self.submit("a", on_commit=False)

            assert (delivery.state, self.broker.sent) == ("sent", ["a"])
            assert not self.sender.defers(using=None, on_commit=False)

    def test_all_submits_of_a_transaction_are_one_write_in_their_order(self):
        with transaction.atomic():
            first = self.submit("a", "b")
            with transaction.atomic():
                second = self.submit("c")
            third = self.submit("d")

        assert self.broker.writes == [["a", "b", "c", "d"]]
        assert [len(d.replies or ()) for d in (first, second, third)] == [2, 1, 1]

    def test_a_rollback_discards(self):
        with suppress(Oops), transaction.atomic():
            delivery = self.submit("a")
            raise Oops

        assert delivery.state == "discarded"
        assert self.broker.writes == []

    def test_a_job_of_a_rolled_back_savepoint_is_discarded_and_its_neighbours_are_sent(self):
        with transaction.atomic():
            before = self.submit("before")
            with suppress(Oops), transaction.atomic():
                inner = self.submit("inner")
                raise Oops
            assert inner.state == "discarded"
            after = self.submit("after")

        assert [d.state for d in (before, inner, after)] == ["sent", "discarded", "sent"]
        assert self.broker.writes == [["before", "after"]]

    def test_a_released_savepoint_goes_with_the_savepoint_around_it(self):
        with transaction.atomic():
            self.submit("kept")
            with suppress(Oops), transaction.atomic():
                with transaction.atomic():
                    lost = self.submit("lost")
                raise Oops

        assert lost.state == "discarded"
        assert self.broker.writes == [["kept"]]

    def test_the_first_submit_may_be_the_one_that_is_rolled_back(self):
        with transaction.atomic():
            with suppress(Oops), transaction.atomic():
                self.submit("lost")
                raise Oops
            with transaction.atomic():
                self.submit("kept")

        assert self.broker.writes == [["kept"]]

    def test_set_rollback_discards(self):
        with transaction.atomic():
            delivery = self.submit("a")
            transaction.set_rollback(True)

        assert (delivery.state, self.broker.writes) == ("discarded", [])

    def test_two_transactions_are_two_writes(self):
        for name in "ab":
            with transaction.atomic():
                self.submit(name)

        assert self.broker.writes == [["a"], ["b"]]

    def test_two_brokers_get_their_own_jobs(self):
        mine, other = self.broker, RecordingBroker()
        with transaction.atomic():
            self.submit("a")
            self.broker = other
            self.submit("b")
            self.broker = mine
            self.submit("c")

        assert mine.sent == ["a", "c"]
        assert other.sent == ["b"]

    def test_a_job_does_not_pass_a_hook_that_was_registered_before_it(self):
        seen = []
        with transaction.atomic():
            self.submit("a")
            transaction.on_commit(lambda: seen.extend(self.broker.sent))
            self.submit("b")

        assert seen == ["a"]
        assert self.broker.sent == ["a", "b"]

    def test_a_hook_that_submits_sends_at_once(self):
        with transaction.atomic():
            transaction.on_commit(lambda: self.submit("from the hook"))

        assert self.broker.sent == ["from the hook"]

    def test_a_send_that_fails_after_the_commit_raises_and_names_the_jobs(self):
        self.broker.failure = RedisUnavailable("Redis is down.", url="redis://:***@host")

        with pytest.raises(RedisUnavailable) as caught, transaction.atomic():
            first, second = self.submit("id-1"), self.submit("id-2")

        assert "Redis is down." in str(caught.value)
        assert "id-1 (shop.tasks.charge), id-2 (shop.tasks.charge)" in str(caught.value)
        assert caught.value.url == "redis://:***@host"
        assert not connections["default"].in_atomic_block
        assert (first.state, second.state) == ("discarded", "discarded")

    def test_any_other_error_keeps_its_type_and_names_the_jobs_in_a_note(self):
        self.broker.failure = Oops("full")

        with pytest.raises(Oops) as caught, transaction.atomic():
            self.submit(*(f"id-{n}" for n in range(25)))

        (note,) = caught.value.__notes__
        assert "id-0 (" in note
        assert "and 5 more" in note

    def test_the_database_of_the_settings_decides_when_several_are_in_a_transaction(self):
        with transaction.atomic(using="default"):
            with transaction.atomic(using="other"):
                self.submit("a")
            assert self.broker.sent == []

        assert self.broker.sent == ["a"]

    def test_the_only_database_in_a_transaction_decides(self):
        with transaction.atomic(using="other"):
            delivery = self.submit("a")
            inside = delivery.state

        assert (inside, delivery.state) == ("deferred", "sent")

    def test_using_names_the_database(self):
        with transaction.atomic(using="default"):
            with transaction.atomic(using="other"):
                self.submit("a", using="other")
            assert self.broker.sent == ["a"]

    def test_using_a_database_that_is_in_no_transaction_sends_at_once(self):
        with transaction.atomic(using="default"):
            self.submit("a", using="other")

            assert self.broker.sent == ["a"]

    @override_settings(UPNEXT={"DATABASE": "third"})
    def test_several_databases_without_the_one_of_the_settings_raise(self):
        with (
            transaction.atomic(using="default"),
            transaction.atomic(using="other"),
            pytest.raises(transaction.TransactionManagementError, match="'default' and 'other'"),
        ):
            self.submit("a")

        assert self.broker.sent == []

    def test_a_transaction_by_hand_is_refused_with_a_way_out(self):
        transaction.set_autocommit(False)
        try:
            with pytest.raises(transaction.TransactionManagementError, match=r"use transaction\.atomic\(\)"):
                self.submit("a")
            self.submit("b", on_commit=False)
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)

        assert self.broker.sent == ["b"]

    def test_a_connection_that_is_lost_in_the_transaction_discards(self):
        with suppress(Exception), transaction.atomic(using="other"):
            delivery = self.submit("a")
            connections["other"].close()
            raise Oops

        assert (delivery.state, self.broker.sent) == ("discarded", [])


class InsideTests(Sending, TestCase):
    databases = {"default", "other"}

    def test_in_a_testcase_a_submit_is_sent_at_once(self):
        assert self.submit("a").state == "sent"

    def test_in_a_block_of_its_own_it_waits_for_the_captured_callbacks(self):
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            delivery = self.submit("a")
            assert delivery.state == "deferred"

        assert (delivery.state, self.broker.sent) == ("sent", ["a"])

    def test_callbacks_that_are_not_captured_never_run(self):
        with transaction.atomic():
            delivery = self.submit("a")

        assert (delivery.state, self.broker.sent) == ("deferred", [])

    def test_each_submit_is_a_callback_and_sends_its_own_jobs(self):
        with self.captureOnCommitCallbacks() as callbacks, transaction.atomic():
            self.submit("a")
            self.submit("b")

        assert len(callbacks) == 2
        callbacks[1]()
        assert self.broker.sent == ["b"]

    def test_a_capture_takes_only_what_was_submitted_in_it(self):
        with transaction.atomic():
            self.submit("before")
            with self.captureOnCommitCallbacks(execute=True):
                self.submit("captured")

        assert self.broker.sent == ["captured"]

    def test_a_rolled_back_block_discards(self):
        with self.captureOnCommitCallbacks(execute=True), suppress(Oops), transaction.atomic():
            delivery = self.submit("a")
            raise Oops

        assert (delivery.state, self.broker.sent) == ("discarded", [])
