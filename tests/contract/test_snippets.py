"""Every snippet of Python in the documentation runs, its tasks on a real worker."""

from __future__ import annotations

import asyncio
import inspect
import sys
import unittest
import uuid
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import redis
from django.db import close_old_connections
from django.test import TestCase, override_settings

from example_project import shop
from example_project.shop import models
from tests.contract.pages import PAGES, Snippet, snippets
from tests.keys import KEY
from tests.leaks import delete_namespace
from tests.workers import running_worker
from upnext_django import conf
from upnext_django.declare.registry import registry

#: Files whose code a worker has to know.
DECLARE = ("tasks.py", "service.py")


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def tasks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module with the tasks of the page; it is ``shop.tasks`` to the snippets."""
    name = f"tasks_of_{page.stem.replace('-', '_').lower()}"
    code = [block.code for block in snippets(page) if block.kind.endswith(DECLARE)]
    (tmp_path / f"{name}.py").write_text("\n\n".join(code))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "shop.models", models)
    return name


@pytest.fixture
def project(
    tasks: str,
    valkey_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: None,
) -> Iterator[None]:
    """Run a worker of the page's tasks, and let the snippets submit to it."""
    namespace = f"test-{uuid.uuid4().hex}"
    with (
        registry.isolated(),
        override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY]}),
        running_worker(
            "tests.fundamentals.settings",
            "--no-mirror",
            redis_url=valkey_url,
            namespace=namespace,
            tasks=tasks,
            log=tmp_path / "worker.log",
            environment={
                "UPNEXT_EXAMPLE_DATABASE": str(tmp_path / "none.sqlite3"),
                "UPNEXT_EXAMPLE_SECRETS_KEYS": KEY,
                "PYTHONPATH": str(tmp_path),
            },
        ),
    ):
        for name in ("shop.tasks", "service"):
            monkeypatch.setitem(sys.modules, name, import_module(tasks))
        yield
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, namespace)


def test_the_snippets_of_a_page_run(page: Path, request: pytest.FixtureRequest):
    blocks = [block for block in snippets(page) if not block.kind.endswith(DECLARE)]
    if any(block.kind != "settings.py" for block in snippets(page)):
        request.getfixturevalue("project")
    names: dict[str, Any] = {"__name__": "snippet"}

    for block in blocks:
        code = compile(block.code, f"{page}, line {block.line}", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT)
        run(block, code, names)


def run(block: Snippet, code: CodeType, names: dict[str, Any]) -> None:
    """Run one block as its readers do: in a loop, in sync code, as settings or as tests."""
    if block.kind == "":
        asyncio.run(in_a_loop(code, names))
        return
    exec(code, names)
    close_old_connections()
    if block.kind == "settings.py":
        with override_settings(UPNEXT=names["UPNEXT"]):
            assert conf.problems() == []
    if block.kind == "tests.py":
        cases = [
            c for c in names.values() if inspect.isclass(c) and issubclass(c, TestCase) and c is not TestCase
        ]
        suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(case) for case in cases)
        outcome = unittest.TestResult()
        suite.run(outcome)
        assert outcome.testsRun
        assert outcome.wasSuccessful(), [*outcome.errors, *outcome.failures]


async def in_a_loop(code: CodeType, names: dict[str, Any]) -> None:
    waiting = eval(code, names)
    if inspect.isawaitable(waiting):
        await waiting
