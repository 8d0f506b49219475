"""Files through the API: uploaded by workers without the storage, sent as downloads in which nothing runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from tests.api.asking import Program
from tests.broker.lab import Lab
from tests.things import mirror
from upnext_django.models.token import SCOPES

pytestmark = pytest.mark.databases


@pytest.fixture
def program(
    things: Lab, person: Callable[..., User], token_of: Callable[..., str], settings: object, tmp_path: Path
) -> Program:
    settings.MEDIA_ROOT = str(tmp_path)  # type: ignore[attr-defined]
    return Program(token_of(person("*"), *SCOPES))


def a_file(content: bytes = b"<script>1</script>") -> SimpleUploadedFile:
    return SimpleUploadedFile("whatever", content)


def test_a_file_of_a_running_job_is_listed_and_sent_as_a_download(program: Program, things: Lab):
    job = things.claim(1).jobs[0]

    status, made = program.upload(
        "/artifacts", job_id=job.id, name="page.html", artifact_type="html", file=a_file()
    )
    mirror()
    _, listed = program.get("/artifacts", job_id=job.id)
    sent = program.raw(f"/artifacts/{made['artifact_id']}/content")

    assert status == 201
    assert [(one["id"], one["name"]) for one in listed["items"]] == [(made["artifact_id"], "page.html")]
    assert b"".join(sent) == b"<script>1</script>"
    assert sent["Content-Disposition"].startswith("attachment")
    assert sent["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert sent["X-Content-Type-Options"] == "nosniff"


def test_only_a_job_that_runs_gets_files(program: Program, things: Lab, tmp_path: Path):
    waiting = things.submit_one()

    status, problem = program.upload("/artifacts", job_id=waiting, name="a", file=a_file())
    missing, _ = program.upload("/artifacts", job_id="none", name="a", file=a_file())

    assert (status, problem["state"]) == (409, "queued")
    assert missing == 404
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_another_attempt_gets_no_files(program: Program, things: Lab):
    job = things.claim(1).jobs[0]

    first, _ = program.upload("/artifacts", job_id=job.id, name="a", attempt="1", file=a_file())
    second, problem = program.upload("/artifacts", job_id=job.id, name="a", attempt="2", file=a_file())

    assert (first, second) == (201, 409)
    assert "attempt 1, not 2" in problem["detail"]


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"name": "../etc/passwd"}, 422, "body.name"),
        ({"name": "a", "artifact_type": "png"}, 422, "body.data"),
        ({"name": "a", "artifact_type": "exe"}, 422, "form.artifact_type"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    program: Program, things: Lab, fields: dict[str, str], status: int, field: str
):
    job = things.claim(1).jobs[0]

    found, problem = program.upload("/artifacts", job_id=job.id, file=a_file(), **fields)

    assert (found, [one["field"] for one in problem["errors"]]) == (status, [field])


def test_a_file_that_is_too_long_is_refused(program: Program, things: Lab, valkey_url: str, namespace: str):
    job = things.claim(1).jobs[0]
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "MAX_ARTIFACT_BYTES": 10}

    with override_settings(UPNEXT=own):
        status, _ = program.upload("/artifacts", job_id=job.id, name="a", file=a_file(b"x" * 11))

    assert status == 413


_PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=", b"--x--"),
        ("multipart/form-data; boundary=" + 300 * "x", b"--x--"),
        ("multipart/form-data; boundary=x", _PART + b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--"),
        ("multipart/form-data; boundary=x", 101 * (_PART + b"\r\n\r\n") + b"--x--"),
    ],
    ids=["no boundary", "empty boundary", "long boundary", "no base64", "too many files"],
)
def test_a_form_that_cannot_be_read_is_refused(
    program: Program, browser: Callable[..., Client], content_type: str, body: bytes
):
    """A 500 with a traceback in the log, where Django itself says 400."""
    status, problem = program.send("/artifacts", body, content_type)
    # The CSRF check reads the form too, where its token may stand.
    client = browser("add_artifactrecord", name="eve")
    client.cookies["csrftoken"] = 32 * "a"
    by_session = client.post("/api/v1/artifacts", body, content_type)

    assert (status, problem["title"]) == (400, "Bad Request")
    assert problem["detail"].startswith("The body cannot be read: ")
    assert by_session.status_code == 400


def test_more_fields_than_are_read_are_refused(program: Program):
    status, problem = program.get("/jobs", status=1_001 * ["failed"])
    in_form, _ = program.upload("/artifacts", **{f"field{number}": "" for number in range(1_001)})

    assert (status, in_form) == (422, 422)
    assert "DATA_UPLOAD_MAX_NUMBER_FIELDS" in problem["detail"]


def test_content_needs_the_scope_for_payloads(
    program: Program, things: Lab, person: Callable[..., User], token_of: Callable[..., str]
):
    job = things.claim(1).jobs[0]
    _, made = program.upload("/artifacts", job_id=job.id, name="a", file=a_file())
    mirror()
    reader = Program(token_of(person("*", name="eve"), "read"))

    assert reader.get(f"/artifacts/{made['artifact_id']}")[0] == 200
    assert reader.get(f"/artifacts/{made['artifact_id']}/content")[0] == 403
