"""Artifacts in the admin: who gets the files, and as what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_job, job_id
from upnext_django.models import ArtifactRecord, JobRecord
from upnext_django.storage import artifact_storage

pytestmark = pytest.mark.django_db

MALICIOUS = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[Path]:
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        yield tmp_path


def an_artifact(kind: str = "text", name: str = "notes", content: bytes = b"text") -> ArtifactRecord:
    job = JobRecord.objects.filter(pk=job_id(1)).first() or a_job(1, queue="red")
    number = 1000 + ArtifactRecord.objects.count()
    return ArtifactRecord.objects.create(
        id=job_id(number),
        job_id=job.pk,
        name=name,
        artifact_type=kind,
        size_bytes=len(content),
        path=artifact_storage().save(f"upnext/2026-01-01T00/{job.pk}.{number}.bin", ContentFile(content)),
        created_at=timezone.now(),
    )


def url(artifact: ArtifactRecord, page: str) -> str:
    return reverse(f"admin:upnext_artifactrecord_{page}", args=[artifact.pk])


def fetch(client: Client, artifact: ArtifactRecord, page: str) -> tuple[Any, bytes]:
    """Return the response and the whole file: reading it to its end also closes it."""
    response: Any = client.get(url(artifact, page))
    return response, b"".join(response.streaming_content) if response.status_code == 200 else b""


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("html", "text/html; charset=utf-8"),
        ("svg", "image/svg+xml"),
        ("xml", "application/xml"),
        ("png", "image/png"),
        ("pdf", "application/pdf"),
        ("json", "application/json"),
        ("binary", "application/octet-stream"),
        ("of a later version", "application/octet-stream"),
    ],
)
def test_a_file_is_a_download_in_which_nothing_runs(admin_client: Client, kind: str, content_type: str):
    artifact = an_artifact(kind[:16], content=MALICIOUS)

    response, content = fetch(admin_client, artifact, "content")

    assert content == MALICIOUS
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"].startswith("attachment; ")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("notes", 'attachment; filename="notes.txt"'),
        ('a"; filename=x.exe', 'attachment; filename="a\\"; filename=x.exe"'),
        ("Ü.txt", "attachment; filename*=utf-8''%C3%9C.txt"),
    ],
)
def test_a_name_stays_inside_its_header(admin_client: Client, name: str, header: str):
    response, _ = fetch(admin_client, an_artifact(name=name), "content")

    assert response["Content-Disposition"] == header


def test_only_pictures_are_shown(admin_client: Client):
    picture, drawing = an_artifact("png", "dot"), an_artifact("svg", "drawing", MALICIOUS)

    shown, _ = fetch(admin_client, picture, "picture")

    assert shown["Content-Disposition"].startswith("inline")
    assert shown["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert admin_client.get(url(drawing, "picture")).status_code == 404
    assert "<img" in admin_client.get(url(picture, "change")).content.decode()
    assert "<img" not in admin_client.get(url(drawing, "change")).content.decode()


@pytest.mark.parametrize(
    ("codenames", "status"),
    [
        ((), 403),
        (("view_artifactrecord",), 403),
        (("view_payload",), 403),
        (("view_artifactrecord", "view_payload"), 200),
    ],
)
def test_a_file_needs_two_permissions(codenames: tuple[str, ...], status: int):
    artifact = an_artifact("png")
    client = staff(*codenames)

    for page in ("content", "picture"):
        assert fetch(client, artifact, page)[0].status_code == status


def test_whoever_is_not_logged_in_is_sent_to_the_login():
    response = Client().get(url(an_artifact(), "content"))

    assert response.status_code == 302
    assert "/login/" in response["Location"]


def only_the_blue_queue(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(queue="blue") if rows.model is JobRecord else rows


def test_the_file_of_a_job_outside_the_rule_is_not_there(admin_client: Client):
    artifact = an_artifact()

    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.only_the_blue_queue"}):
        assert admin_client.get(url(artifact, "content")).status_code == 404


def test_a_file_that_is_gone_is_not_found(admin_client: Client):
    artifact = an_artifact()
    artifact_storage().delete(artifact.path)

    assert admin_client.get(url(artifact, "content")).status_code == 404


def test_a_jobs_page_lists_its_files(admin_client: Client):
    artifact = an_artifact(name="<script>alert(1)</script>")

    html = admin_client.get(reverse("admin:upnext_jobrecord_change", args=[artifact.job_id])).content.decode()

    assert url(artifact, "change") in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert(1)" not in html


def test_the_list_shows_name_type_and_size(admin_client: Client):
    artifact = an_artifact("csv", "orders.csv", b"id,sum\n")

    html = admin_client.get(reverse("admin:upnext_artifactrecord_changelist")).content.decode()

    assert "orders.csv" in html
    assert "7\xa0bytes" in html
    assert url(artifact, "content") in html
