"""Jobs with sensitive arguments while the keys change."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis
from django.test import override_settings

import upnext_django as upnext
from tests.django import vault_tasks as tasks
from tests.keys import KEY, OTHER_KEY
from tests.leaks import delete_namespace
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.operations import dead_letters

CARD = "4242-1881"
Serve = Callable[..., AbstractContextManager[RunningWorker]]


@pytest.fixture
def project(valkey_url: str, rows: None) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": name, "SECRETS_KEYS": [KEY]}):
        yield name
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, name)


@pytest.fixture
def serve(project: str, valkey_url: str, tmp_path: Path) -> Serve:
    """Give what runs a worker with the given keys."""

    def worker(*keys: str) -> AbstractContextManager[RunningWorker]:
        return running_worker(
            "tests.fundamentals.settings",
            "--no-mirror",
            redis_url=valkey_url,
            namespace=project,
            tasks="tests.django.vault_tasks",
            log=tmp_path / f"worker-{uuid.uuid4().hex}.log",
            environment={
                "UPNEXT_EXAMPLE_DATABASE": database_url(),
                "UPNEXT_EXAMPLE_SECRETS_KEYS": ",".join(keys),
            },
        )

    return worker


def result_of(job_id: str) -> object:
    """Return what a job gave, once it is complete."""
    wait_until(lambda: upnext.get_job(job_id).status == "complete", "the job is complete", timeout=20)
    return upnext.get_job(job_id).result


def test_a_job_from_before_the_change_runs_while_its_key_is_in_the_list(serve: Serve):
    future = tasks.charge.submit("ada", card=CARD)

    with serve(OTHER_KEY, KEY):
        assert future.value_sync(timeout=20) == tasks.proof_of("ada", CARD)


@pytest.mark.parametrize("keys", [(OTHER_KEY,), ()], ids=["another", "none"])
def test_a_job_whose_key_is_gone_fails_clearly_and_runs_when_it_is_back(serve: Serve, keys: tuple[str, ...]):
    future = tasks.charge.submit("ada", card=CARD)
    with serve(*keys), pytest.raises(upnext.TaskExecutionError) as caught:
        future.result_sync(timeout=20)
    assert caught.value.error.startswith(
        f"EncryptionError: Job {future.job_id} of tests.django.vault_tasks.charge"
    )
    assert "SECRETS_KEYS" in caught.value.error

    again = dead_letters.replay(future.job_id)

    with serve(OTHER_KEY, KEY):
        assert result_of(again) == tasks.proof_of("ada", CARD)


def test_an_edit_after_the_change_encrypts_with_the_first_key(serve: Serve, valkey_url: str, project: str):
    future = tasks.decline.submit("ada", CARD, phrase="open sesame")
    with serve(KEY), pytest.raises(upnext.TaskExecutionError):
        future.result_sync(timeout=20)

    settings = {"REDIS_URL": valkey_url, "NAMESPACE": project, "SECRETS_KEYS": [OTHER_KEY, KEY]}
    with override_settings(UPNEXT=settings):
        edited = dead_letters.replay(future.job_id, args=["bob", "[hidden]"])

        with serve(OTHER_KEY):
            assert result_of(edited) == tasks.proof_of("bob", CARD, "open sesame")


def test_an_edit_without_the_key_is_refused_and_changes_nothing(serve: Serve, valkey_url: str, project: str):
    future = tasks.decline.submit("ada", CARD)
    with serve(KEY), pytest.raises(upnext.TaskExecutionError):
        future.result_sync(timeout=20)

    for keys, said in (([OTHER_KEY], "cannot be decrypted"), ([], "no key here")):
        settings = {"REDIS_URL": valkey_url, "NAMESPACE": project, "SECRETS_KEYS": keys}
        with override_settings(UPNEXT=settings), pytest.raises(upnext.EncryptionError, match=said):
            dead_letters.replay(future.job_id, args=["bob", "[hidden]"])

    assert dead_letters.replay(future.job_id)
