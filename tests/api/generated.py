"""A client that openapi-python-client makes of the committed schema, as a user's program would have it."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.api.reference import FILE

__all__ = ["NAME", "Generated", "Robot", "generated_in"]

NAME = "upnext_django_client"


class Generated:
    """The generated package, imported."""

    def __init__(self, said: str) -> None:
        #: What the generator printed.
        self.said = said
        self.package: Any = import_module(NAME)
        self.models: Any = import_module(f"{NAME}.models")
        found = pkgutil.walk_packages(import_module(f"{NAME}.api").__path__, f"{NAME}.api.")
        #: The modules of the operations by operationId.
        self.operations: dict[str, Any] = {
            one.name.rpartition(".")[2]: import_module(one.name) for one in found if not one.ispkg
        }

    def robot(self, url: str, token: str) -> Robot:
        """Return who calls with ``token``, and fails at an answer that the schema does not have."""
        client = self.package.AuthenticatedClient(
            base_url=url, token=token, timeout=60, raise_on_unexpected_status=True
        )
        return Robot(self, client)


class Robot:
    """The generated client of one token."""

    def __init__(self, generated: Generated, client: Any) -> None:
        self.client = client
        self._generated = generated

    def call(self, operation: str, *args: Any, **options: Any) -> Any:
        """Call an operation and return what its answer was read as."""
        return self._generated.operations[operation].sync(*args, client=self.client, **options)

    def follow(self, job_id: str, *, last_id: str | None = None) -> Iterator[tuple[str, Any]]:
        """Yield the ids and JobEvents of a job's stream: from its beginning, or after ``last_id``."""
        where = {"after": "0-0"} if last_id is None else {}
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        with self.client.get_httpx_client().stream(
            "GET", "/api/v1/events/stream", params={"job_id": job_id, **where}, headers=headers
        ) as response:
            response.raise_for_status()
            fields: dict[str, Any] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                    continue
                if "data" in fields:
                    event = self._generated.models.JobEvent.from_dict(json.loads(fields["data"]))
                    assert event.event.value == fields["event"]
                    yield fields["id"], event
                fields = {}

    def end_of(self, job_id: str) -> Any:
        """Follow a job and return the JobEvent of its end."""
        for _, event in self.follow(job_id):
            if event.event.value == "settled" and event.status.value != "retrying":
                return event
        raise AssertionError("the stream has ended before the job")


@contextmanager
def generated_in(folder: Path) -> Iterator[Generated]:
    """Give the client of the committed schema, generated in ``folder``; it can be imported meanwhile."""
    # The generator formats what it wrote, by the ruff that it finds.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    options = [
        "--path",
        str(FILE),
        "--output-path",
        str(folder / NAME),
        "--meta",
        "none",
        "--fail-on-warning",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *options],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    sys.path.insert(0, str(folder))
    try:
        yield Generated(ran.stdout)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]
