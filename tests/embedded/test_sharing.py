"""One server for all processes of a project, ended by the last one out, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import redis

from tests.embedded.project import Client, is_ended, server_info, wait_until_ended, wait_until_unguarded
from tests.waiting import wait_until
from upnext_django.embedded import EmbeddedValkey, guard

StartClient = Callable[[], Client]


def test_two_processes_that_start_at_once_share_one_server(start_client: StartClient):
    first, second = start_client(), start_client()

    urls = {first.url(), second.url()}

    assert len(urls) == 1
    assert server_info(urls.pop())["run_id"]


def test_threads_that_start_at_once_share_one_server(project: Path):
    servers = [EmbeddedValkey(project) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        run_ids = set(pool.map(lambda server: server_info(server.ensure())["run_id"], servers))

    assert len(run_ids) == 1
    for server in servers:
        server.release()


def test_ensuring_again_gives_the_same_server(server: EmbeddedValkey):
    url = server.ensure()
    run_id = server_info(url)["run_id"]

    assert server.ensure() == url
    assert server_info(url)["run_id"] == run_id


def test_the_server_outlives_the_process_that_started_it(start_client: StartClient):
    starter, other = start_client(), start_client()
    url = starter.url()
    run_id = server_info(url)["run_id"]
    other.url()

    starter.kill()

    assert server_info(url)["run_id"] == run_id


def test_the_last_one_out_ends_the_server(start_client: StartClient):
    first, last = start_client(), start_client()
    url = first.url()
    last.url()

    first.leave()
    assert not is_ended(url)

    last.leave()
    wait_until_ended(url)


def test_a_killed_client_does_not_keep_the_server(start_client: StartClient):
    """An exit handler would never have run: the server stayed until the machine was switched off."""
    client = start_client()
    url = client.url()

    client.kill()

    wait_until_ended(url)


def test_releasing_ends_the_server_of_a_lone_process(server: EmbeddedValkey):
    url = server.ensure()

    server.release()

    wait_until_ended(url)


def test_a_process_that_comes_while_the_server_ends_gets_a_new_one(server: EmbeddedValkey):
    for _ in range(5):
        server.ensure()
        server.release()

        assert server_info(server.ensure())["run_id"]


def test_a_forked_child_keeps_the_server_when_its_parent_releases_it(server: EmbeddedValkey):
    url = server.ensure()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)

    server.release()
    with redis.Redis.from_url(url) as client:
        answered = client.ping()
    os.close(write)
    os.waitpid(child, 0)

    assert answered
    wait_until_ended(url)


def test_a_forked_child_that_releases_leaves_the_server_to_its_parent(server: EmbeddedValkey):
    url = server.ensure()
    child = os.fork()
    if child == 0:
        server.release()
        os._exit(0)
    os.waitpid(child, 0)

    assert server_info(url)["run_id"]
    assert server.ensure() == url


def test_a_server_whose_connections_are_all_killed_still_ends_with_its_last_client(start_client: StartClient):
    """CLIENT KILL took the guard's connection too, which it held for the server's end: the server stayed."""
    client = start_client()
    url = client.url()
    with redis.Redis.from_url(url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)

    client.kill()

    wait_until_ended(url)


def test_it_ends_too_if_its_last_client_goes_before_the_guard_has_connected_again(start_client: StartClient):
    client = start_client()
    url = client.url()
    the_guard = _guard_of(server_info(url)["process_id"])
    os.kill(the_guard, signal.SIGSTOP)
    with redis.Redis.from_url(url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    client.kill()

    os.kill(the_guard, signal.SIGCONT)

    wait_until_ended(url)


def test_a_server_whose_socket_was_removed_still_ends_with_its_last_client(
    server: EmbeddedValkey, project: Path
):
    """A folder of a test is removed as soon as its server is released."""
    Path(urlsplit(server.ensure()).path).unlink()

    server.release()

    wait_until_unguarded(project)


def test_the_server_of_a_killed_guard_still_ends_with_its_last_client(
    server: EmbeddedValkey, start_client: StartClient, project: Path
):
    url = server.ensure()
    run_id = server_info(url)["run_id"]
    os.kill(_guard_of(server_info(url)["process_id"]), signal.SIGKILL)
    wait_until_unguarded(project)

    client = start_client()
    assert server_info(client.url())["run_id"] == run_id

    server.release()
    client.leave()
    wait_until_ended(url)


def test_a_second_guard_leaves_the_project_to_the_first(server: EmbeddedValkey, project: Path):
    """A client killed while its guard starts the server leaves the next one to start a second guard."""
    url = server.ensure()
    run_id = server_info(url)["run_id"]

    second = subprocess.run(
        [sys.executable, guard.__file__, str(project / ".upnext"), "another.sock", "no-such-program"],
        check=False,
        timeout=20,
    )

    assert second.returncode == 0
    assert server.ensure() == url
    assert server_info(url)["run_id"] == run_id


def test_a_server_that_is_only_slow_is_not_started_again(server: EmbeddedValkey):
    url = server.ensure()
    info = server_info(url)

    os.kill(info["process_id"], signal.SIGSTOP)
    try:
        again = server.ensure()
    finally:
        os.kill(info["process_id"], signal.SIGCONT)

    assert again == url
    assert server_info(url)["run_id"] == info["run_id"]


def test_a_killed_server_is_started_again_with_its_data(server: EmbeddedValkey):
    url = server.ensure()
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        wait_until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, "data is on disk")
    os.kill(server_info(url)["process_id"], signal.SIGKILL)
    wait_until_ended(url)

    with redis.Redis.from_url(server.ensure()) as client:
        assert client.get("kept") == b"yes"


def test_data_is_kept_from_one_run_to_the_next(start_client: StartClient):
    first = start_client()
    with redis.Redis.from_url(first.url()) as client:
        client.set("kept", "yes")
    first.leave()

    with redis.Redis.from_url(start_client().url()) as client:
        assert client.get("kept") == b"yes"


def test_an_ephemeral_server_forgets_everything(project: Path):
    server = EmbeddedValkey.ephemeral(project)
    url = server.ensure()
    with redis.Redis.from_url(url) as client:
        client.set("gone", "soon")
    server.release()
    wait_until_ended(url)

    with redis.Redis.from_url(server.ensure()) as client:
        assert client.get("gone") is None
    server.release()


def _guard_of(server_pid: int) -> int:
    """Return the process in the server's session that is not the server."""
    session = os.getsid(server_pid)
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            if pid != server_pid and os.getsid(pid) == session:
                return pid
        except ProcessLookupError:
            continue
    raise AssertionError("the server has no guard")
