"""What an artifact may be called, and what each type takes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from upnext_django import ArgumentError, ArtifactType
from upnext_django.core.artifact import check_name, content_of, path_of
from upnext_django.models import ArtifactRecord

WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
STARTS = {
    ArtifactType.PNG: b"\x89PNG\r\n\x1a\nrest",
    ArtifactType.JPEG: b"\xff\xd8\xff\xe0rest",
    ArtifactType.WEBP: WEBP,
    ArtifactType.GIF: b"GIF89arest",
    ArtifactType.PDF: b"%PDF-1.7 rest",
}


def test_the_rows_have_the_same_types():
    assert {kind.value for kind in ArtifactType} == set(ArtifactRecord.Type.values)


@pytest.mark.parametrize(
    "name", ["report.pdf", ".env", "a" * 200, "Ü (1).csv", "日本語", "CON", 'it\'s "it"']
)
def test_a_name_is_kept(name: str):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "a" * 201, "..", " . ", "a/b", "..\\b", 7, None),
        *("nul\0", "line\n", "esc\x1b[2J", "\u202egnp", "\u2066x", "\ud800"),
    ],
)
def test_what_is_no_name_is_refused(name: Any):
    with pytest.raises(ArgumentError) as caught:
        check_name(name)

    assert caught.value.argument == "name"
    str(caught.value).encode()  # no half of a pair in it


@pytest.mark.parametrize("kind", STARTS)
def test_bytes_and_base64_are_the_same_file(kind: ArtifactType):
    raw = STARTS[kind]
    text = base64.encodebytes(raw).decode()  # with its line ends

    assert content_of(raw, kind, max_bytes=99) == content_of(text, kind, max_bytes=99) == raw
    assert content_of(memoryview(raw), kind, max_bytes=99) == raw


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"", WEBP[:8]])
def test_a_file_that_does_not_begin_as_its_type_is_refused(kind: ArtifactType, data: bytes):
    with pytest.raises(ArgumentError, match="does not begin"):
        content_of(data, kind, max_bytes=99)


@pytest.mark.parametrize("data", [{"a": [1, None]}, "a text", 7, None, [1.5], b'{"ready": true}'])
def test_json_takes_any_value(data: Any):
    assert content_of(data, ArtifactType.JSON, max_bytes=99)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (float("nan"), ArtifactType.JSON),
        (object(), ArtifactType.JSON),
        (b"{", ArtifactType.JSON),
        (7, ArtifactType.TEXT),
        (b"\xff", ArtifactType.CSV),
        ("\ud800", ArtifactType.TEXT),
        ("no base64!", ArtifactType.BINARY),
        ("YWJ", ArtifactType.BINARY),
        (7, ArtifactType.BINARY),
    ],
)
def test_what_a_type_does_not_take_is_refused(data: Any, kind: ArtifactType):
    with pytest.raises(ArgumentError):
        content_of(data, kind, max_bytes=99)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (bytes(10), ArtifactType.BINARY),
        (base64.b64encode(bytes(10)).decode(), ArtifactType.BINARY),
        ("ü" * 5, ArtifactType.TEXT),
        ("x" * 8, ArtifactType.JSON),
    ],
)
def test_the_limit_counts_the_bytes_of_the_file(data: Any, kind: ArtifactType):
    assert len(content_of(data, kind, max_bytes=10)) == 10
    with pytest.raises(ArgumentError, match="MAX_ARTIFACT_BYTES"):
        content_of(data, kind, max_bytes=9)


def test_a_path_has_the_hour_and_no_name():
    assert path_of("a", "j", ArtifactType.JPEG, 1_780_000_000_000) == "upnext/2026-05-28T20/j.a.jpg"


@pytest.mark.parametrize("kind", [ArtifactType.HTML, ArtifactType.SVG, ArtifactType.XML])
def test_what_a_browser_would_run_has_no_suffix_of_its_own(kind: ArtifactType):
    assert path_of("a", "j", kind, 0).endswith(".bin")
