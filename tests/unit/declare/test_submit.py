"""What a submit sends, from sync and async code."""

import asyncio
import pickle
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import upnext_django as upnext
from tests.keys import KEY, OTHER_KEY
from tests.unit.declare.fakes import FakeBroker, FakeRunningJob, FakeSender, inside
from upnext_django.core.environment import Environment
from upnext_django.core.given import key_of_given_id
from upnext_django.core.ids import is_job_id, queue_tag, tag_of
from upnext_django.core.sealing import Sealer, Use
from upnext_django.declare import ports
from upnext_django.declare.registry import registry


@pytest.fixture
def add():
    worker = upnext.Worker("sums")

    @worker.task(retries=2, timeout=30.0, name="Add up")
    def add(a: int, b: int = 0) -> int:
        return a + b

    return add


@pytest.fixture
def log_in_twice():
    ports.configure(sealer=lambda: Sealer([KEY], Use.ARGUMENTS))

    @upnext.task(sensitive=["passwords"])
    def log_in_twice(user: str, passwords: dict[str, str]) -> None: ...

    return log_in_twice


def test_a_submit_in_sync_code_has_been_sent_when_it_returns(broker: FakeBroker, add):
    future = add.submit(1, b=2)

    [job] = broker.jobs
    assert (job.id, job.queue, job.function, job.lane) == (future.job_id, "sums", add.name, 1)
    assert is_job_id(job.id)
    assert tag_of(job.id) == queue_tag("sums")
    envelope = broker.envelope(job.id)
    assert msgspec.json.decode(envelope.args) == [[1], {"b": 2}]
    assert (envelope.function_name, envelope.max_attempts, envelope.timeout) == ("Add up", 3, 30.0)
    assert (envelope.parent_id, envelope.root_id, job.reply) == (None, None, None)


async def test_a_submit_in_async_code_is_scheduled_at_once_and_await_hears_the_answer(
    broker: FakeBroker, add
):
    future = add.submit(1)
    assert broker.jobs == []

    assert await future is future

    assert [job.id for job in broker.jobs] == [future.job_id]


async def test_a_submit_that_nobody_awaits_is_sent(broker: FakeBroker, add):
    future = add.submit(1)

    await broker.pending[0]

    assert [job.id for job in broker.jobs] == [future.job_id]


async def test_awaiting_a_submit_that_failed_raises_what_prevented_it(broker: FakeBroker, add):
    broker.failure = upnext.RedisUnavailable("gone", url="redis://fake")

    with pytest.raises(upnext.RedisUnavailable, match="gone"):
        await add.submit(1)


async def test_submit_sync_has_been_sent_when_it_returns_in_a_loop_too(broker: FakeBroker, add):
    future = add.submit_sync(1)

    assert [job.id for job in broker.jobs] == [future.job_id]


def test_a_wrong_call_raises_at_once_and_sends_nothing(broker: FakeBroker, add):
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        add.submit(b=1)
    with pytest.raises(upnext.ArgumentError, match='argument "a"'):
        add.submit(object())

    assert broker.jobs == []


def test_arguments_over_the_limit_are_refused(broker: FakeBroker, add):
    ports.configure(environment=lambda: Environment(max_payload_bytes=10))

    with pytest.raises(upnext.ArgumentError, match="at most 10 are allowed"):
        add.submit(12345678901234567890)


@pytest.mark.parametrize(("priority", "lane"), [(50, 0), (0, 1), (-1, 2)])
def test_priority_chooses_the_lane(broker: FakeBroker, add, priority, lane):
    add.options(priority=priority).submit(1)

    assert broker.jobs[0].lane == lane


def test_options_change_one_call_only(broker: FakeBroker, add):
    moment = datetime.now(UTC) + timedelta(hours=1)
    add.options(
        delay=timedelta(seconds=1.5), queue="reports", retries=0, timeout=None, expires=60, meta={"x": [1]}
    ).submit(1)
    add.options(at=moment).submit(1)
    add.submit(1)

    first, second, third = broker.jobs
    assert (first.delay_ms, first.at_ms, first.queue, first.expires_ms) == (1500, None, "reports", 60_000)
    assert tag_of(first.id) == queue_tag("reports")
    envelope = broker.envelope(first.id)
    assert (envelope.max_attempts, envelope.timeout) == (1, None)
    assert envelope.meta is not None
    assert msgspec.json.decode(envelope.meta["x"]) == [1]
    assert second.at_ms == round(moment.timestamp() * 1000)
    assert (third.delay_ms, third.at_ms, third.queue, third.expires_ms) == (None, None, "sums", None)


def test_later_options_are_laid_over_earlier_ones(broker: FakeBroker, add):
    call = add.options(priority=9, delay=60, meta={"a": 1, "b": 1})

    call.options(at=datetime(2030, 1, 1, tzinfo=UTC), meta={"b": 2}).submit(1)

    [job] = broker.jobs
    assert (job.lane, job.delay_ms, job.at_ms) == (0, None, 1893456000000)
    meta = broker.envelope(job.id).meta
    assert meta is not None
    assert {key: msgspec.json.decode(raw) for key, raw in meta.items()} == {"a": 1, "b": 2}


def test_the_meta_of_the_settings_travels_with_each_job(broker: FakeBroker, add):
    ports.configure(environment=lambda: Environment(meta=lambda: {"request": "r1", "x": 0}))

    add.options(meta={"x": 1}).submit(1)

    meta = broker.envelope(broker.jobs[0].id).meta
    assert meta is not None
    assert {key: msgspec.json.decode(raw) for key, raw in meta.items()} == {"request": "r1", "x": 1}


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"retry": 1}, TypeError, "did you mean 'retries'"),
        ({"delay": -1}, ValueError, "0 or more seconds"),
        ({"delay": "5"}, TypeError, "no duration"),
        ({"delay": float("nan")}, ValueError, "out of range"),
        ({"delay": 5, "at": datetime(2030, 1, 1, tzinfo=UTC)}, ValueError, "two moments"),
        ({"at": datetime(2030, 1, 1)}, ValueError, "no timezone"),  # noqa: DTZ001
        ({"at": 5}, TypeError, "use delay="),
        ({"priority": 101}, ValueError, "-100 to 100"),
        ({"priority": 1.5}, TypeError, "whole number"),
        ({"retries": -1}, ValueError, "0 or more"),
        ({"timeout": 0}, ValueError, "more than 0"),
        ({"key": ""}, ValueError, "1 to 512"),
        ({"key": 5}, TypeError, "no text"),
        ({"on_commit": None}, TypeError, "neither True nor False"),
        ({"meta": [1]}, TypeError, "no dict"),
        ({"meta": {"a": object()}}, upnext.ArgumentError, "meta"),
    ],
)
def test_an_option_that_makes_no_sense_says_why(add, options, error, text):
    with pytest.raises(error, match=text):
        add.options(**options)


def test_an_unknown_queue_names_the_known_ones(broker: FakeBroker, add):
    with pytest.raises(upnext.UnknownQueue, match="known are default, reports, sums"):
        add.options(queue="sum").submit(1)


def test_a_function_with_a_limit_keeps_its_queue(broker: FakeBroker):
    @upnext.task(rate_limit="10/minute")
    def limited() -> None: ...

    with pytest.raises(ValueError, match="counted in its own queue, 'default'"):
        limited.options(queue="reports").submit()


def test_a_keyed_limit_parts_the_jobs_by_their_arguments(broker: FakeBroker):
    @upnext.task(max_concurrency=1, concurrency_key="user:{user}")
    def limited(user: int) -> None: ...

    for user in (1, 1, 2):
        limited.submit(user)

    one, same, other = (job.digest for job in broker.jobs)
    assert one == same != other
    assert one


def test_a_cache_key_is_filled_with_the_arguments_and_travels_with_the_job(broker: FakeBroker):
    @upnext.task(cache_key="user:{user}:{day}")
    def cached(user: int, day: str = "today", note: str = "") -> None: ...

    cached.submit(1)
    cached.submit(day="today", user=1, note="not named")
    cached.submit(2)

    one, same, other = broker.jobs
    assert one.cache == same.cache != other.cache
    assert [broker.envelope(job.id).cache for job in broker.jobs] == [one.cache, same.cache, other.cache]


def test_arguments_that_do_not_fill_the_cache_key_are_refused(broker: FakeBroker):
    @upnext.task(cache_key="{order[id]}")
    def cached(order: dict[str, int]) -> None: ...

    with pytest.raises(
        upnext.ArgumentError, match=r"'\{order\[id\]\}' of .* cannot be filled: KeyError: 'id'"
    ):
        cached.submit({})

    assert broker.jobs == []


def test_a_function_with_a_cache_keeps_its_queue(broker: FakeBroker):
    @upnext.task(cache_key="{user}")
    def cached(user: int) -> None: ...

    with pytest.raises(ValueError, match="counted in its own queue, 'default'"):
        cached.options(queue="reports").submit(1)


async def test_a_dropped_value_is_that_of_the_call_under_each_of_its_names(broker: FakeBroker):
    @upnext.task(cache_key="{user}", aliases=["shop.old"])
    def cached(user: int) -> None: ...

    cached.submit_sync(7)

    assert await cached.invalidate_cache(user=7)
    assert cached.invalidate_cache_sync(7)
    names = (cached.name, "shop.old")
    assert broker.invalidated == [("default", names, broker.jobs[0].cache)] * 2


def test_an_idempotency_key_leads_to_the_live_job_and_the_losing_id_stays(broker: FakeBroker, add):
    winner = add.submit_idempotent("k", 1)
    loser = add.submit_idempotent("k", 2)
    broker.complete(winner.job_id, 3)

    assert loser.job_id != winner.job_id
    assert loser.value_sync() == 3
    assert loser.duplicate_of == winner.job_id
    assert loser.result_sync().job_id == winner.job_id
    assert loser.status_sync() == "complete"
    assert add.options(key="k").submit(3).status_sync() == "complete"


async def test_enqueue_gives_the_job(broker: FakeBroker, add):
    job = await add.enqueue(1, b=2)

    assert (job.id, job.task_name, job.status) == (broker.jobs[0].id, add.name, "queued")
    assert (job.args, job.kwargs) == ((1,), {"b": 2})
    assert (job.retries, job.max_retries, job.result, job.error) == (0, 2, None, None)
    assert job.created_at is not None


async def test_enqueue_of_a_delayed_job_says_that_it_is_scheduled(broker: FakeBroker, add):
    job = await add.options(delay=60).enqueue(1)

    assert job.status == "scheduled"
    assert job.run_at is not None
    assert job.created_at is not None
    assert job.run_at - job.created_at == timedelta(seconds=60)


async def test_enqueue_with_a_key_in_use_gives_the_live_job(broker: FakeBroker, add):
    first = await add.options(key="k").enqueue(1)

    assert (await add.options(key="k").enqueue(2)).id == first.id


def test_celerys_calls_submit(broker: FakeBroker, add):
    eta = datetime.now(UTC) + timedelta(hours=1)

    add.delay(1, b=2)
    add.apply_async((1,), {"b": 2}, countdown=5, expires=65, queue="reports", priority=3)
    add.apply_async([1], eta=eta, expires=eta + timedelta(seconds=10))
    add.apply_async((1,), task_id="mine")

    plain, counted, timed, named = broker.jobs
    assert broker.envelope(plain.id).args == broker.envelope(counted.id).args
    assert (counted.delay_ms, counted.queue, counted.lane) == (5000, "reports", 0)
    assert counted.expires_ms == pytest.approx(60_000, abs=2)
    assert timed.at_ms == round(eta.timestamp() * 1000)
    assert timed.expires_ms == 10_000
    assert named.key == key_of_given_id("mine")


def test_celerys_expires_before_the_start_is_refused(broker: FakeBroker, add):
    with pytest.raises(ValueError, match="over before the job may start"):
        add.apply_async((1,), countdown=60, expires=5)


def test_calling_a_task_runs_it_in_place(broker: FakeBroker, add):
    assert add(1, b=2) == 3
    assert broker.jobs == []


def test_calling_a_task_with_a_context_in_place_takes_the_running_jobs():
    @upnext.task
    def which(ctx) -> str:
        return str(ctx["job_id"])

    with inside(FakeRunningJob(job_id="j1")):
        assert which() == "j1"
    with pytest.raises(RuntimeError, match=r"task\.__wrapped__"):
        which()


def test_a_sensitive_argument_is_sealed_and_masked(broker: FakeBroker):
    class Rot:
        def seal(self, plain: bytes) -> str:
            return plain.hex()

        def open(self, sealed: str) -> bytes:
            return bytes.fromhex(sealed)

        def digest(self, plain: bytes) -> bytes:
            return plain[::-1]

    @upnext.task(sensitive=["password"])
    def log_in(user: str, password: str) -> None: ...

    with pytest.raises(upnext.EncryptionError, match="nothing here can encrypt them"):
        log_in.submit("ada", password="tulip")
    ports.configure(sealer=Rot)
    future = log_in.submit("ada", password="tulip")

    [job] = broker.jobs
    assert b"tulip" not in job.envelope
    assert broker.envelope(future.job_id).sealed
    assert (
        Rot().open(msgspec.json.decode(broker.envelope(future.job_id).args))
        == b'[["ada"],{"password":"tulip"}]'
    )
    assert job.shown is not None
    shown = msgspec.json.decode(job.shown)
    assert shown["args"] == [["ada"], {"password": "[hidden]"}]
    seen = upnext.get_job(future.job_id)
    assert (seen.sealed, seen.args, seen.kwargs) == (True, ("ada",), {"password": "[hidden]"})


def test_a_call_without_arguments_needs_no_key(broker: FakeBroker):
    @upnext.task(sensitive=["token"])
    def sync(token: str = "") -> None: ...

    sync.submit()

    assert not broker.envelope(broker.jobs[0].id).sealed
    with pytest.raises(upnext.EncryptionError):
        sync.submit("tulip")


def test_a_job_from_before_an_argument_was_sensitive_shows_it_no_more(broker: FakeBroker):
    def log_in(user: str, password: str) -> None: ...

    with registry.isolated():
        future = upnext.task(log_in).submit("ada", password="tulip")
    with registry.isolated():
        upnext.task(sensitive=["password"])(log_in)
        job = upnext.get_job(future.job_id)

    assert (job.args, job.kwargs) == (("ada",), {"password": "[hidden]"})


@pytest.mark.parametrize("key", ["log-in-ada", "tulip"])
def test_an_idempotency_key_without_a_sensitive_value_is_taken(broker: FakeBroker, key: str, log_in_twice):
    log_in_twice.submit_idempotent(key, "ada", {"old": "tulip-fields", "new": "tul"})

    assert broker.jobs[0].key == key


def test_an_idempotency_key_with_a_sensitive_value_is_refused(broker: FakeBroker, log_in_twice):
    with pytest.raises(upnext.ArgumentError, match="sensitive argument in it") as caught:
        log_in_twice.submit_idempotent("log-in-tulip-fields", "ada", {"old": "tulip-fields"})

    assert "tulip" not in str(caught.value)
    assert broker.jobs == []


class TestInsideAJob:
    def test_a_child_knows_its_parent_and_root_and_goes_one_lane_up(self, broker: FakeBroker, add):
        with inside(FakeRunningJob(job_id="p", root_id="top")):
            future = add.submit(1)

        envelope = broker.envelope(future.job_id)
        assert (envelope.parent_id, envelope.root_id) == ("p", "top")
        assert (broker.jobs[0].parent_id, broker.jobs[0].lane) == ("p", 0)

    def test_a_redelivered_attempt_makes_the_same_children_and_a_retry_makes_new_ones(
        self, broker: FakeBroker, add
    ):
        def children(attempt: int) -> list[str]:
            with inside(FakeRunningJob(job_id="p", attempt=attempt)):
                return [add.submit(1).job_id, add.submit(1).job_id, add.submit(2).job_id]

        first, again, retry = children(1), children(1), children(2)

        assert first == again
        assert len({*first, *retry}) == 6
        assert len(broker.jobs) == 6

    def test_ids_of_sensitive_children_are_the_same_again_and_tell_nothing_without_the_key(
        self, broker: FakeBroker
    ):
        @upnext.task(sensitive=["pin"])
        def check(user: int, pin: str) -> None: ...

        def children(key: str) -> list[str]:
            ports.configure(sealer=lambda: Sealer([key], Use.ARGUMENTS))
            with inside(FakeRunningJob(job_id="p")):
                return [check.submit(1, "1234").job_id, check.submit(1, "5678").job_id]

        first, again, guessed = children(KEY), children(KEY), children(OTHER_KEY)

        assert first == again
        assert len({*first, *guessed}) == 4


class TestInATransaction:
    def test_a_submit_leaves_on_commit(self, broker: FakeBroker, sender: FakeSender, add):
        future = add.submit(1)
        assert broker.jobs == []

        sender.commit()

        broker.complete(future.job_id, 1)
        assert future.value_sync() == 1

    def test_waiting_for_it_inside_raises(self, broker: FakeBroker, sender: FakeSender, add):
        future = add.submit(1)

        with pytest.raises(upnext.WaitInTransaction, match=future.job_id):
            future.result_sync()
        with pytest.raises(upnext.WaitInTransaction, match=r"it was not submitted"):
            add.wait_sync(1)
        with pytest.raises(upnext.WaitInTransaction, match=r"it was not submitted"):
            upnext.map_tasks_sync(add, [(1,)])
        assert len(sender.held) == 1

    def test_waiting_after_a_rollback_says_that_it_was_never_sent(
        self, broker: FakeBroker, sender: FakeSender, add
    ):
        future = add.submit(1)

        sender.rollback()

        with pytest.raises(upnext.UpNextError, match="rolled back"):
            future.value_sync()

    def test_on_commit_false_sends_now(self, broker: FakeBroker, sender: FakeSender, add):
        add.options(on_commit=False).submit(1)

        assert len(broker.jobs) == 1


@upnext.task
def at_module_level() -> None: ...


def test_a_handle_is_pickled_and_copied_by_identity():
    import copy

    from upnext_django.declare.registry import registry

    registry.add_task(at_module_level)

    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    assert copy.deepcopy([at_module_level])[0] is at_module_level


def test_a_handle_looks_like_its_function(add):
    assert (add.__name__, add.__wrapped__(1, 2)) == ("add", 3)
    assert add.name == f"{__name__}.add.<locals>.add"


def test_a_future_of_a_loop_that_is_gone_can_be_asked_from_sync_code(broker: FakeBroker, add):
    async def submit() -> str:
        futures.append(await add.submit(1))
        return str(futures[0].job_id)

    futures: list[upnext.Future[int]] = []
    broker_job = asyncio.run(submit())
    broker.complete(broker_job, 5)

    assert futures[0].value_sync() == 5
