"""What the doctor finds wrong, and that nothing that is away keeps it from the rest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.declare.registry import registry
from upnext_django.embedded import EmbeddedValkey
from upnext_django.models import DeadLetterRecord, OutboxEntry
from upnext_django.operations import control
from upnext_django.operations.waiting import Reason, why

pytestmark = pytest.mark.usefixtures("rows")

Findings = dict[str, dict[str, Any]]


def doctor() -> Findings:
    """Return the findings by name, the worst of each."""
    out = StringIO()
    with suppress(CommandError):
        call_command("upnext_doctor", "--json", stdout=out)
    order = ["ok", "unknown", "warn", "fail"]
    findings: Findings = {}
    for one in json.loads(out.getvalue()):
        known = findings.setdefault(one["name"], one)
        if order.index(one["state"]) > order.index(known["state"]):
            findings[one["name"]] = one
    assert all(one["fix"] for one in findings.values() if one["state"] in ("warn", "fail")), findings
    return findings


def states(findings: Findings) -> dict[str, str]:
    return {name: one["state"] for name, one in findings.items()}


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """Give a server whose configuration the tests of this module may change."""
    with tempfile.TemporaryDirectory(prefix="upnext-") as folder:
        server = EmbeddedValkey.ephemeral(Path(folder))
        yield server.ensure()
        server.release()


@pytest.fixture
def server(own_url: str) -> Iterator[redis.Redis]:
    """Give a client of the own server, which the settings name too."""
    with redis.Redis.from_url(own_url) as client, override_settings(UPNEXT={"REDIS_URL": own_url}):
        yield client
        client.flushall()
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendonly", "no")
        client.config_set("save", "")


def test_a_server_that_keeps_nothing_fails_and_says_how_to_mend_it(server: redis.Redis):
    found = doctor()["persistence"]

    assert found["state"] == "fail"
    assert "restart of the server loses every job" in found["found"]
    assert "appendonly yes" in found["fix"]


def test_snapshots_alone_are_a_warning_and_an_append_only_file_is_well(server: redis.Redis):
    server.config_set("save", "3600 1")
    snapshots = doctor()["persistence"]["state"]
    server.config_set("appendonly", "yes")

    assert snapshots == "warn"
    assert doctor()["persistence"]["state"] == "ok"


@pytest.mark.parametrize(("most", "state"), [("0", "warn"), ("500mb", "fail")])
def test_a_server_that_evicts_throws_jobs_away(server: redis.Redis, most: str, state: str):
    server.config_set("maxmemory", most)
    server.config_set("maxmemory-policy", "allkeys-lru")

    found = doctor()["eviction"]

    assert found["state"] == state
    assert "allkeys-lru" in found["found"]
    assert "noeviction" in found["fix"]


def test_a_server_that_is_nearly_full_is_a_warning(server: redis.Redis):
    server.config_set("maxmemory", str(int(server.info("memory")["used_memory"] * 1.05)))

    assert doctor()["memory"]["state"] == "warn"


def test_a_managed_server_that_forbids_to_ask_is_unknown_and_no_crash(server: redis.Redis, own_url: str):
    server.acl_setuser(
        "doctor",
        enabled=True,
        passwords=["+word"],
        keys=["*"],
        categories=["+@all"],
        commands=["-info", "-config"],
    )
    url = own_url.replace("unix://", "unix://doctor:word@")

    with override_settings(UPNEXT={"REDIS_URL": url}):
        found = doctor()

    assert {found[name]["state"] for name in ("redis", "persistence", "eviction", "memory")} == {"unknown"}
    assert found["clock"]["state"] == "ok"
    assert found["workers"]["state"] == "warn"
    assert "word" not in found["redis"]["found"]


def test_without_redis_it_says_so_and_goes_on_with_the_rest():
    with override_settings(UPNEXT={"REDIS_URL": "redis://:secret-word@127.0.0.1:1/0"}):
        found = doctor()

    assert found["redis"]["state"] == "fail"
    assert "127.0.0.1:1" in found["redis"]["found"]
    assert "secret-word" not in json.dumps(found)
    assert found["workers"]["state"] == found["mirror"]["state"] == "unknown"
    assert found["migrations"]["state"] == "ok"
    assert found["dead letters"]["state"] in ("ok", "warn")


@pytest.mark.parametrize(
    ("upnext", "said"),
    [
        ({"REDIS_ULR": "redis://localhost"}, "REDIS_ULR"),
        ({"REDIS_URL": "http://localhost"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE": "nowhere"}, "nowhere"),
    ],
    ids=str,
)
def test_mistakes_in_the_settings_fail(upnext: dict[str, Any], said: str):
    # Without the declarations of other tests, which may contradict each other.
    with registry.isolated(), override_settings(UPNEXT=upnext):
        found = doctor()["settings"]

    assert found["state"] == "fail"
    assert said in found["found"]


def test_jobs_that_no_worker_runs_fail(lab: Lab):
    lab.submit_one()

    found = doctor()

    assert found["workers"]["state"] == "fail"
    assert "1 jobs wait" in found["workers"]["found"]
    assert found["unserved"]["state"] == "fail"
    assert f"{FUNCTION} in {QUEUE} (1)" in found["unserved"]["found"]


def test_events_that_nobody_writes_fail(lab: Lab):
    lab.submit_one()

    found = doctor()["mirror"]

    assert found["state"] == "fail"
    assert found["found"].startswith("No mirror is running; 1 events wait")


def test_a_mirror_that_falls_behind_is_a_warning(lab: Lab):
    broker = get_broker()
    lab.submit_one()
    lab.run(b"SET", broker.names.mirror_lease, "host-1")
    # An event of long ago, as it would stand there.
    lab.run(b"DEL", broker.keys(QUEUE).events)
    lab.run(b"XADD", broker.keys(QUEUE).events, "1-1", "j", "1 1 submitted queued 0 0 {}")

    found = doctor()["mirror"]

    assert found["state"] == "warn"
    assert found["found"].startswith("host-1 writes the history; 1 events wait")


def test_a_backlog_near_its_bound_is_told_before_submits_are_refused(
    lab: Lab, valkey_url: str, namespace: str
):
    for _ in range(6):
        lab.submit_one()

    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace, "MAX_EVENTS": 10}):
        found = doctor()["events"]

    assert found["state"] == "fail"
    assert "6 events wait in the fullest queue, of MAX_EVENTS=10" in found["found"]


def test_stuck_threads_and_silent_workers_are_named(lab: Lab):
    now_ms = get_broker().inspector.now_ms()
    about: dict[str, Any] = {"host": "h", "pid": 1, "queues": [QUEUE], "consumers": []}
    for name, seen_ms, stuck in (("w-stuck", now_ms, 2), ("w-silent", now_ms - 40_000, 0)):
        told = json.dumps({**about, "seen_ms": seen_ms, "stuck_threads": stuck})
        lab.run(b"HSET", get_broker().names.workers, name, told)

    found = doctor()

    assert found["stuck threads"]["state"] == "warn"
    assert "on w-stuck" in found["stuck threads"]["found"]
    assert "w-silent" in found["silent workers"]["found"]
    assert found["workers"]["state"] == "ok"


def test_what_is_paused_is_told_with_its_way_back(lab: Lab):
    control.pause_queue(QUEUE)

    found = doctor()["paused"]

    assert found["state"] == "warn"
    assert found["fix"] == f"python manage.py upnext_resume --queue {QUEUE}"


def test_more_dead_letters_than_the_day_before_are_a_warning(lab: Lab):
    before = states(doctor())["dead letters"]
    DeadLetterRecord.objects.create(job_id="j1", queue=QUEUE, failed_at=timezone.now(), attempts=1, crashes=0)

    found = doctor()["dead letters"]

    assert before == "ok"
    assert found["state"] == "warn"
    assert "upnext_dlq list" in found["fix"]


def test_for_people_each_line_has_its_fix_below(server: redis.Redis):
    out = StringIO()

    with pytest.raises(CommandError, match=r"\d+ of \d+ checks failed") as caught:
        call_command("upnext_doctor", stdout=out, no_color=True)

    assert caught.value.returncode == 1
    assert "ok      redis: Valkey " in out.getvalue()
    assert "fail    persistence: " in out.getvalue()
    assert "\n        -> Set appendonly yes" in out.getvalue()


def test_the_outbox_says_what_waits_too_long_and_what_was_set_aside(lab: Lab):
    hour_ago = timezone.now() - timedelta(hours=1)
    with override_settings(UPNEXT={**settings.UPNEXT, "OUTBOX": True}):
        assert doctor()["outbox"]["state"] == "ok"

        row = OutboxEntry.objects.create(job_id=new_job_id(QUEUE), function="m.f", queue=QUEUE, item=b"{}")
        OutboxEntry.objects.update(created_at=hour_ago)
        late, standing = doctor()["outbox"], why(row.job_id)
        OutboxEntry.objects.update(set_aside_at=hour_ago, error="refused")
        aside, stuck = doctor()["outbox"], why(row.job_id)

    assert (late["state"], aside["state"]) == ("fail", "fail")
    assert "the oldest for 36" in late["found"]
    assert "1 jobs in database 'default' were set aside" in aside["found"]
    assert standing.reason is stuck.reason is Reason.OUTBOX
    assert "set aside in the outbox: refused" in stuck.text
