"""upnext_worker --health-port: what probes over HTTP hear of a running worker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.django import tasks
from tests.fleet.server import DurableServer, free_port
from tests.probing import probe
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.management.probe import ProbeServer, listen
from upnext_django.operations.health.readiness import is_ready, readiness
from upnext_django.operations.metrics import exposition

START_S = 25.0

Start = Callable[..., AbstractContextManager[RunningWorker]]


@pytest.fixture
def start(project: str, valkey_url: str, tmp_path: Path, rows: None) -> Start:
    """Give what starts a worker; it must end with code 0."""

    def start_one(*options: str, redis_url: str = valkey_url) -> AbstractContextManager[RunningWorker]:
        return running_worker(
            "tests.django.settings",
            "--no-mirror",
            *options,
            redis_url=redis_url,
            namespace=project,
            tasks="tests.django.tasks",
            log=tmp_path / "worker.log",
            environment={"UPNEXT_EXAMPLE_DATABASE": database_url()},
        )

    return start_one


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_worker_that_takes_jobs_is_live_and_ready_and_gives_the_port_back_at_its_end(start, processes):
    port = free_port()

    with start("--health-port", f"127.0.0.1:{port}", *processes):
        wait_until(lambda: probe(port, "/ready").status == 200, "the worker is ready", START_S)
        assert probe(port, "/health").body == '{"status": "ok"}\n'

    assert probe(port, "/health").status == 0


def test_a_worker_whose_redis_is_away_lives_and_is_ready_again_by_itself(start, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    server, port = DurableServer(folder), free_port()
    server.start()
    try:
        with start("--health-port", f"127.0.0.1:{port}", redis_url=server.url):
            wait_until(lambda: probe(port, "/ready").status == 200, "the worker is ready", START_S)

            server.kill()

            wait_until(lambda: probe(port, "/ready").status == 503, "Redis is missed", START_S)
            assert "Redis does not answer" in probe(port, "/ready").body
            assert probe(port, "/health").status == 200

            server.start()
            wait_until(lambda: probe(port, "/ready").status == 200, "the worker is ready again", START_S)
    finally:
        server.kill()


def test_a_worker_that_waits_for_redis_lives_and_is_not_ready(start):
    port = free_port()

    with start("--health-port", f"127.0.0.1:{port}", redis_url=f"redis://127.0.0.1:{free_port()}"):
        wait_until(lambda: probe(port, "/health").status == 200, "the worker lives", START_S)

        assert probe(port, "/ready").status == 503


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "::1:8081", "127.0.0.1:"])
def test_what_is_no_port_is_refused(start, value):
    with pytest.raises(AssertionError, match=r"is no port from 1 to 65535, with or without a host: 8081"):
        start(f"--health-port={value}").__enter__()


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_port_that_is_taken_ends_the_start_with_the_reason(start, processes):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(
            AssertionError, match=rf"--health-port {taken}: Address already in use. Give a free port"
        ):
            start("--health-port", taken, *processes).__enter__()


def test_the_project_is_ready_while_a_worker_and_its_mirror_run(worker: RunningWorker, rows: None):
    wait_until(lambda: is_ready(readiness()), "jobs run and are seen", START_S)

    assert [one.name for one in readiness()] == ["redis", "workers", "mirror", "database", "migrations"]

    with CaptureQueriesContext(connection) as queries:
        readiness()
    assert len(queries) == 1


def test_metrics_tell_of_the_workers_and_what_they_did(worker: RunningWorker, rows: None):
    assert tasks.divide.submit_sync(8, 2).value_sync(timeout=START_S) == 4

    wait_until(
        lambda: f'upnext_jobs_ended_total{{function="{tasks.divide.name}",' in exposition.text().decode(),
        "the end is counted",
        START_S,
    )
    text = exposition.text().decode()
    assert "\nupnext_workers 1.0\n" in text
    assert "\nupnext_mirror_up 1.0\n" in text
    assert "\nupnext_workers_desired 1.0\n" in text


class TestTheServer:
    """By itself: in one process, told what to answer."""

    @pytest.fixture
    def port(self) -> int:
        return free_port()

    def test_a_reason_is_a_503_that_says_it(self, port):
        server = ProbeServer(listen("", port), live=lambda: "it hangs", ready=lambda: "")
        server.start()

        assert probe(port, "/health").status == 503
        assert probe(port, "/health").body == '{"status": "failing", "reason": "it hangs"}\n'
        assert probe(port, "/ready?verbose").status == 200
        server.close()

    def test_other_questions_are_refused(self, port):
        server = ProbeServer(listen("127.0.0.1", port), live=lambda: "", ready=lambda: "")
        server.start()

        assert probe(port, "/ready", method="HEAD") == probe(port, "/ready", method="HEAD")
        assert probe(port, "/ready", method="HEAD").body == ""
        assert probe(port, "/health", method="POST").status == 501
        assert probe(port, "/metrics").status == 404
        assert "only /health and /ready" in probe(port, "/metrics").body
        server.close()

    def test_a_prober_that_says_nothing_keeps_nobody_waiting(self, port):
        server = ProbeServer(listen("127.0.0.1", port), live=lambda: "", ready=lambda: "")
        server.start()

        with socket.create_connection(("127.0.0.1", port)) as silent:
            assert probe(port, "/health").status == 200
            assert silent.fileno() > 0
        server.close()

    def test_it_is_heard_by_both_versions_of_ip(self, port):
        server = ProbeServer(listen("", port), live=lambda: "", ready=lambda: "")
        server.start()

        answers = [probe(port, "/health", host=host).status for host in ("127.0.0.1", "::1")]
        assert answers == [200, 200 if socket.has_dualstack_ipv6() else 0]
        server.close()

    def test_its_threads_end_with_it(self, port):
        server = ProbeServer(listen("127.0.0.1", port), live=lambda: "", ready=lambda: "")
        server.start()
        server.close()

        assert "upnext-probe" not in [thread.name for thread in threading.enumerate()]
