"""The files that jobs make: which types there are, what each takes, and what is told of one.

No I/O: where the bytes go is for ``declare.artifact`` and its port.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from upnext_django.core import codec
from upnext_django.exceptions import ArgumentError

__all__ = ["FOLDER", "MAX_PATH", "ArtifactFacts", "ArtifactType", "check_name", "content_of", "path_of"]

#: The folder of the storage in which all of them are.
FOLDER: Final = "upnext"
#: Characters of a path that the history can keep.
MAX_PATH: Final = 500
_MAX_NAME: Final = 200


class ArtifactType(StrEnum):
    """What an artifact is. It decides how ``data`` is read and as what the file is served."""

    JSON = "json"
    TEXT = "text"
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    SVG = "svg"
    PDF = "pdf"
    CSV = "csv"
    XML = "xml"
    HTML = "html"
    BINARY = "binary"

    @property
    def content_type(self) -> str:
        """The media type it is served as, whatever its name or content say."""
        return _CONTENT_TYPES[self]

    @property
    def is_text(self) -> bool:
        """Whether ``data`` may be a plain str and the file is UTF-8."""
        return self in _TEXTS

    @property
    def is_picture(self) -> bool:
        """Whether a browser may show it in a page: pictures that can hold no script."""
        return self in _PICTURES


class ArtifactFacts(msgspec.Struct, frozen=True, array_like=True):
    """What the history is told of an artifact whose file is written. ``path`` is the storage's name of it."""

    id: str
    at_ms: int
    name: str
    type: str
    size_bytes: int
    path: str


_CONTENT_TYPES: Final = {
    ArtifactType.JSON: "application/json",
    ArtifactType.TEXT: "text/plain; charset=utf-8",
    ArtifactType.PNG: "image/png",
    ArtifactType.JPEG: "image/jpeg",
    ArtifactType.WEBP: "image/webp",
    ArtifactType.GIF: "image/gif",
    ArtifactType.SVG: "image/svg+xml",
    ArtifactType.PDF: "application/pdf",
    ArtifactType.CSV: "text/csv; charset=utf-8",
    ArtifactType.XML: "application/xml",
    ArtifactType.HTML: "text/html; charset=utf-8",
    ArtifactType.BINARY: "application/octet-stream",
}
_TEXTS: Final = frozenset(
    {ArtifactType.TEXT, ArtifactType.SVG, ArtifactType.CSV, ArtifactType.XML, ArtifactType.HTML}
)
_PICTURES: Final = frozenset({ArtifactType.PNG, ArtifactType.JPEG, ArtifactType.WEBP, ArtifactType.GIF})
# A storage whose folder a web server shows serves by these; what a browser would run must not have its own.
_SUFFIXES: Final = {
    ArtifactType.TEXT: "txt",
    ArtifactType.JPEG: "jpg",
    ArtifactType.SVG: "bin",
    ArtifactType.XML: "bin",
    ArtifactType.HTML: "bin",
    ArtifactType.BINARY: "bin",
}
_BEGINS: Final[dict[ArtifactType, Callable[[bytes], bool]]] = {
    ArtifactType.PNG: lambda content: content.startswith(b"\x89PNG\r\n\x1a\n"),
    ArtifactType.JPEG: lambda content: content.startswith(b"\xff\xd8\xff"),
    ArtifactType.WEBP: lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP",
    ArtifactType.GIF: lambda content: content.startswith((b"GIF87a", b"GIF89a")),
    ArtifactType.PDF: lambda content: content.startswith(b"%PDF-"),
}
_SPACE: Final = re.compile(r"\s+")


def check_name(name: str) -> str:
    """Return ``name`` in Unicode's composed form (NFC), as it is shown and as a download is called.

    It is never part of a path. Raises ArgumentError for an empty one, one of over 200 characters, and one
    with a slash, a backslash, a control character or one that turns the direction of writing.
    """
    if not isinstance(name, str):
        raise _refused("name", f"{name!r} is a {type(name).__name__}; it must be a str, like 'report.pdf'")
    plain = unicodedata.normalize("NFC", name)
    if not 1 <= len(plain) <= _MAX_NAME:
        raise _refused("name", f"it has {len(plain)} characters; it must have 1 to {_MAX_NAME}")
    # Cc and Cf are the control and format characters (bidi among them), Cs half a pair, Zl and Zp line ends.
    bad = [c for c in plain if c in "/\\" or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    if bad:
        raise _refused(
            "name",
            f"{name!r} has the character {bad[0]!a}; it is a name and no path: without slashes, control "
            "characters and characters that turn the direction of writing",
        )
    if not plain.strip(". "):
        raise _refused("name", f"{name!r} consists of dots and spaces; give it a name like 'report.pdf'")
    return plain


def content_of(data: Any, kind: ArtifactType, *, max_bytes: int) -> bytes:
    """Return the bytes of the file.

    JSON takes any value that JSON can carry, and bytes as JSON that is written already. The texts (TEXT,
    CSV, XML, HTML, SVG) take a str, or bytes in UTF-8. The others take bytes, or a str in base64. Raises
    ArgumentError for anything else, for more than ``max_bytes`` (UPNEXT["MAX_ARTIFACT_BYTES"]), and for PNG,
    JPEG, WEBP, GIF and PDF that do not begin as such files do.
    """
    if isinstance(data, bytearray | memoryview):
        data = bytes(data)
    if kind is ArtifactType.JSON:
        content = _json(data)
    elif kind.is_text:
        content = _text(data, kind)
    else:
        content = _binary(data, kind, max_bytes)
    _check_size(len(content), max_bytes)
    begins = _BEGINS.get(kind)
    if begins is not None and not begins(content):
        raise _refused(
            "data",
            f"it does not begin as a file of type {kind.name} does, but with {content[:8]!r}; give the type "
            "it has, or ArtifactType.BINARY",
        )
    return content


def path_of(artifact_id: str, job_id: str, kind: ArtifactType, at_ms: int) -> str:
    """Return where the file goes: into the folder of its hour, in UTC, so that old ones are found."""
    hour = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H")
    return f"{FOLDER}/{hour}/{job_id}.{artifact_id}.{_SUFFIXES.get(kind, kind.value)}"


def _json(data: Any) -> bytes:
    if not isinstance(data, bytes):
        return codec.encode(data, argument="data", function="create_artifact()")
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("data", f"its bytes are no JSON ({error}); give the value itself") from None
    return data


def _text(data: Any, kind: ArtifactType) -> bytes:
    try:
        if isinstance(data, str):
            return data.encode()
        if isinstance(data, bytes):
            data.decode()
            return data
    except UnicodeError as error:
        raise _refused("data", f"it is no UTF-8 ({error}); ArtifactType.BINARY takes any bytes") from None
    raise _refused("data", f"it is a {type(data).__name__}; {kind.name} takes a str, or bytes in UTF-8")


def _binary(data: Any, kind: ArtifactType, max_bytes: int) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise _refused("data", f"it is a {type(data).__name__}; {kind.name} takes bytes, or a str in base64")
    compact = _SPACE.sub("", data)
    # Before decoding: four characters are three bytes.
    _check_size(len(compact) * 3 // 4 - 2, max_bytes)
    try:
        return base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused(
            "data", f"it is a str that is no base64 ({error}); give bytes, or ArtifactType.TEXT for a text"
        ) from None


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise _refused(
            "data",
            f"it is {size:,} bytes; at most {max_bytes:,} are allowed. Make it smaller, keep it in a storage "
            'of your own, or raise UPNEXT["MAX_ARTIFACT_BYTES"]',
        )


def _refused(argument: str, rule: str) -> ArgumentError:
    return ArgumentError(f"{argument} of create_artifact(): {rule}.", argument=argument)
