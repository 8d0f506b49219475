"""A client made of the committed schema by a generator works against a real site and a real worker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.api.generated import NAME, Generated, Robot, generated_in
from tests.api.reference import schema
from tests.asgi_site import AsgiSite, served_by_asgi
from tests.contract.pages import ROOT
from tests.leaks import delete_namespace
from tests.waiting import wait_until
from tests.workers import database_url, running_worker
from upnext_django.models import FunctionRecord
from upnext_django.models.token import SCOPES
from upnext_django.operations import tokens

TASKS = "tests.api.client_tasks"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    with generated_in(tmp_path_factory.mktemp("generated")) as found:
        yield found


@pytest.fixture(scope="module")
def site(
    valkey_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    committed: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[AsgiSite]:
    """Give the example under uvicorn, with a worker and its mirror."""
    namespace = f"test-{uuid.uuid4().hex}"
    folder = tmp_path_factory.mktemp("site")
    settings, own = "tests.api.client_settings", {"redis_url": valkey_url, "namespace": namespace}
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("UPNEXT_TEST_MEDIA", str(folder / "media"))
        database = database_url()
        with (
            override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}),
            running_worker(
                settings,
                tasks=TASKS,
                log=folder / "worker.log",
                environment={"UPNEXT_EXAMPLE_DATABASE": database},
                **own,
            ),
            served_by_asgi(settings, database=database, log=folder / "site.log", **own) as served,
        ):
            known = FunctionRecord.objects.filter(function=f"{TASKS}.charge")
            wait_until(known.exists, "the mirror has copied what the worker registered", 20)
            yield served
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, namespace)


@pytest.fixture(scope="module")
def token(site: AsgiSite) -> str:
    owner = User.objects.create_superuser("robot")
    return tokens.create("robot", owner=owner, scopes=SCOPES)[1]


@pytest.fixture(scope="module")
def robot(generated: Generated, site: AsgiSite, token: str) -> Iterator[Robot]:
    made = generated.robot(site.url, token)
    with made.client:
        yield made


def submit(robot: Robot, generated: Generated, name: str, key: str | None = None, **kwargs: Any) -> Any:
    """Submit a job of the tests' tasks and return what the call was answered with."""
    models = generated.models
    body = models.Submit(kwargs=models.SubmitKwargs.from_dict(kwargs))
    options = {} if key is None else {"idempotency_key": key}
    return robot.call("submit_job", f"{TASKS}.{name}", body=body, **options)


def test_the_generator_has_nothing_to_say_against_the_schema(generated: Generated):
    (line,) = generated.said.splitlines()

    assert line.startswith("Generating ")


def test_there_is_a_call_of_every_operation_and_no_class_twice(generated: Generated):
    wanted = {one["operationId"] for path in schema()["paths"].values() for one in path.values()}

    assert generated.operations.keys() == wanted
    # These names are the generator's own, for shapes that have none.
    assert [name for name in dir(generated.models) if name.endswith(("Type0", "Params"))] == []


def test_every_list_and_every_sum_is_read_as_its_type(robot: Robot, generated: Generated):
    simple = [
        one["operationId"]
        for path, operations in schema()["paths"].items()
        for method, one in operations.items()
        if method == "get" and "{" not in path and one["operationId"] != "stream_events"
    ]

    answers = {name: robot.call(name) for name in simple}

    assert len(answers) >= 13
    assert [name for name, one in answers.items() if isinstance(one, generated.models.Problem)] == []
    assert [name for name, one in answers.items() if getattr(one, "additional_properties", None)] == []


def test_a_job_is_submitted_once_and_followed_to_its_end(robot: Robot, generated: Generated):
    first = submit(robot, generated, "charge", "order-7", amount=7)
    again = submit(robot, generated, "charge", "order-7", amount=7)
    last_id, begun = next(robot.follow(first.job_id))
    rest = []
    for _, event in robot.follow(first.job_id, last_id=last_id):
        rest.append(event)
        if event.status.value == "complete":
            break

    job = robot.call("get_job", first.job_id)
    assert again.job_id == first.job_id
    assert begun.event.value == "submitted"
    assert [one.event.value for one in rest] == ["claimed", "settled"]
    assert [begun.seq, *(one.seq for one in rest)] == [1, 2, 3]
    assert job.payload.arguments == {"args": [], "kwargs": {"amount": 7}}
    assert (job.status.value, job.payload.result, job.error) == ("complete", "7 charged", None)


def test_the_tree_of_a_parent_is_read(robot: Robot, generated: Generated):
    top = submit(robot, generated, "whole", pieces=3).job_id
    robot.end_of(top)

    tree = robot.call("get_tree", top)

    assert tree.root_id == top
    assert [(one.depth, one.function_name) for one in tree.jobs] == [(0, "whole"), *[(1, "piece")] * 3]
    assert {one.parent_id for one in tree.jobs[1:]} == {top}
    assert {one.status.value for one in tree.jobs} == {"complete"}
    assert robot.call("get_job", top).payload.result == 0 + 1 + 4


def test_a_dead_letter_is_replayed_with_other_arguments(robot: Robot, generated: Generated):
    models = generated.models
    job_id = submit(robot, generated, "charge", amount=0).job_id
    ended = robot.end_of(job_id)
    (letter,) = robot.call("list_dead_letters", function=f"{TASKS}.charge").items
    detail = robot.call("get_dead_letter", job_id)

    edit = models.Edit(kwargs=models.EditKwargs.from_dict({"amount": 5}))
    new = robot.call("replay_dead_letter", job_id, body=edit).job_id

    assert robot.end_of(new).status is models.JobStatus.COMPLETE
    job = robot.call("get_job", new)
    assert (ended.status, ended.error_type) == (models.JobStatus.FAILED, "ValueError")
    assert (letter.job_id, letter.error, letter.replayed_as) == (job_id, "ValueError: an amount of 0", None)
    assert [one.outcome.value for one in detail.claims] == ["failed"]
    assert "raise ValueError" in detail.claims[0].traceback
    assert (job.replay_of, job.payload.result) == (job_id, "5 charged")
    assert robot.call("list_dead_letters").items == []
    (decided,) = robot.call("list_dead_letters", decision=models.Decision.REPLAYED).items
    assert (decided.job_id, decided.replayed_as) == (job_id, new)


def test_a_file_is_uploaded_for_a_job_and_fetched(robot: Robot, generated: Generated):
    """A file of JSON came as what json.loads() gave, and failed: its media type was named first of all."""
    models, file = generated.models, generated.package.types.File
    exported = submit(robot, generated, "export").job_id
    robot.end_of(exported)
    runs = submit(robot, generated, "wait_for_ever").job_id
    started = next(one for _, one in robot.follow(runs) if one.event is models.Move.CLAIMED)
    form = models.UploadArtifactForm(
        job_id=runs,
        name="a.txt",
        artifact_type=models.ArtifactType.TEXT,
        file=file(payload=b"by hand", file_name="a.txt", mime_type="text/plain"),
    )

    uploaded = robot.call("upload_artifact", body=form).artifact_id
    cancelled = robot.call("cancel_job", runs, body=models.Cancel(tree=True))
    ended = robot.end_of(runs)

    (of_task,) = robot.call("list_artifacts", job_id=exported).items
    assert robot.call("get_artifact_content", of_task.id).payload.read() == b'{"orders":[7]}'
    assert robot.call("get_artifact_content", uploaded).payload.read() == b"by hand"
    assert (started.status.value, cancelled.cancelled, ended.status.value) == ("active", True, "cancelled")


def test_a_refusal_is_a_problem_with_its_fields(robot: Robot, generated: Generated, site: AsgiSite):
    problem = generated.models.Problem
    unknown = robot.call("get_job", "019a0000-0000-7000-8000-000000000001")
    too_many = robot.call("list_jobs", limit=1_000)
    wrong_call = submit(robot, generated, "charge", sum=7)
    closed = submit(robot, generated, "piece", number=7)
    with generated.robot(site.url, "upn_nobody").client as client:
        nobody = Robot(generated, client).call("list_jobs")

    assert {type(one) for one in (unknown, too_many, wrong_call, closed, nobody)} == {problem}
    assert [one.status for one in (unknown, too_many, wrong_call, closed, nobody)] == [
        404,
        422,
        422,
        403,
        401,
    ]
    assert unknown.type_ == "urn:upnext:problem:not-found"
    assert [one.field for one in too_many.errors] == ["query.limit"]
    assert "argument 'sum'" in wrong_call.detail


def test_the_program_of_the_guide_runs(
    generated: Generated, site: AsgiSite, token: str, monkeypatch: pytest.MonkeyPatch
):
    page = (ROOT / "docs" / "how-to" / "api.md").read_text()
    _, _, rest = page.partition("```py\n# receipts.py\n")
    code = "\n".join(takewhile(lambda line: line != "```", rest.splitlines()))
    monkeypatch.setenv("TOKEN", token)
    names: dict[str, Any] = {"__name__": "receipts"}

    exec(code.replace("https://shop.example", site.url), names)

    with names["client"]:
        job_id = names["submit"](f"{TASKS}.charge", "order-8", amount=8)
        told = [event.event.value for event in names["events"](job_id)]
        with pytest.raises(RuntimeError, match="piece may not be started"):
            names["submit"](f"{TASKS}.piece", "order-9", number=9)
    assert code.count(NAME) >= 3
    assert told == ["submitted", "claimed", "settled"]
