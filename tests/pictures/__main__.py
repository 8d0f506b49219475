"""Take the pictures: start a Valkey, a site and a worker, let them work, and look at every page."""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
from cryptography.fernet import Fernet
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from example_project.demo.children import running, until
from example_project.demo.visitor import Visitor as Reader
from upnext_django.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from tests.browser.visitor import Visitor
    from tests.pictures.scene import Scene

_HERE: Final = Path(__file__).resolve().parent
_IMAGES: Final = _HERE.parents[1] / "docs" / "images"
_COLOURS: Final = 256
_WIDE, _NARROW, _TALL = 1440, 390, 900


def main() -> None:
    """Write docs/images anew."""
    _IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="upnext-") as name,
        _project(Path(name)) as (site, scene),
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("UPNEXT_TEST_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
        )
        _take(chromium, site, scene)
        chromium.close()
    total = sum(one.stat().st_size for one in _IMAGES.glob("*.png"))
    sys.stdout.write(f"{len(list(_IMAGES.glob('*.png')))} pictures, {total / 2**20:.1f} MiB, in {_IMAGES}\n")


def pages(scene: Scene) -> dict[str, str]:
    """Return the address of each picture by its name."""
    admin = "/admin/upnext/"
    job = f"{admin}jobrecord/"
    function = f"{admin}functionrecord/warehouse.tasks.charge_5Fcard/"
    return {
        "overview": f"{admin}overview/?window=day",
        "jobs": f"{job}?status__exact=failed",
        "job": f"{job}{scene.letter}/change/",
        "job-waiting": f"{job}{scene.waiting}/change/",
        "job-edit": f"{job}{scene.letter}/edit/",
        "tree": f"{job}{scene.flow}/tree/",
        "failures": f"{admin}failure/",
        "dead-letters": f"{admin}deadletterrecord/",
        "dead-letter": f"{admin}deadletterrecord/{scene.letter}/change/",
        "functions": f"{admin}functionrecord/",
        "function": f"{function}change/",
        "function-run": f"{function}run/",
        "schedules": f"{admin}schedule/",
        "schedule": f"{admin}schedule/1/change/",
        "queues": f"{admin}queue/",
        "queue": f"{admin}queue/web/",
        "workers": f"{admin}workerrecord/",
        "worker": f"{admin}workerrecord/{scene.worker.replace('_', '_5F')}/change/",
        "artifacts": f"{admin}artifactrecord/",
        "artifact": f"{admin}artifactrecord/{scene.artifact}/change/",
        "secrets": f"{admin}secret/",
        "tokens": f"{admin}apitoken/",
        "token-add": f"{admin}apitoken/add/",
        "bulk-actions": f"{admin}bulkaction/",
        "bulk-action": f"{admin}bulkaction/{scene.bulk}/change/",
        "outbox": f"{admin}outboxentry/",
    }


#: Longer than the window of the others.
_LONG: Final = {"overview": 1_400, "job": 1_300, "function": 1_100}
#: These are shown dark, and in the narrow window of a telephone, too.
_EVERY_WAY: Final = ("overview", "job", "tree")


def _take(chromium: Browser, site: str, scene: Scene) -> None:
    from tests.browser.walk import repair

    found = pages(scene)
    with _visitor(chromium, site) as visitor:
        for name, path in found.items():
            visitor.page.set_viewport_size({"width": _WIDE, "height": _LONG.get(name, _TALL)})
            visitor.open(path)
            _picture(visitor, name)
    for suffix, width, scheme in (("dark", _WIDE, "dark"), ("narrow", _NARROW, "light")):
        with _visitor(chromium, site, width=width, scheme=scheme) as visitor:
            for name in _EVERY_WAY:
                visitor.open(found[name])
                _picture(visitor, f"{name}-{suffix}")
    with _visitor(chromium, site) as visitor:
        repair(visitor, lambda name: _picture(visitor, f"walk-{name}"))


@contextmanager
def _visitor(chromium: Browser, site: str, *, width: int = _WIDE, scheme: Any = "light") -> Iterator[Visitor]:
    from tests.browser.visitor import Visitor
    from tests.pictures.scene import NAME, PASSWORD

    context = chromium.new_context(viewport={"width": width, "height": _TALL}, color_scheme=scheme)
    yield Visitor(context.new_page(), site, name=NAME, password=PASSWORD, view=f"{width}-{scheme}")
    context.close()


def _picture(visitor: Visitor, name: str) -> None:
    """Keep what the window shows, in few colours: a page of text needs no more."""
    visitor.page.wait_for_load_state("networkidle")
    whole = Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")
    small = whole.quantize(colors=_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(_IMAGES / f"{name}.png", optimize=True)


@contextmanager
def _project(folder: Path) -> Iterator[tuple[str, Scene]]:
    """Run the site and its worker on a Valkey of their own; give the address and what there is to see."""
    valkey = EmbeddedValkey(folder)
    sys.path.insert(0, str(_HERE / "project"))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="tests.pictures.settings",
        PYTHONPATH=os.pathsep.join([str(_HERE / "project"), str(_HERE.parents[1])]),
        UPNEXT_REDIS_URL=valkey.ensure(),
        UPNEXT_EXAMPLE_DATABASE=str(folder / "pictures.sqlite3"),
        UPNEXT_EXAMPLE_SECRETS_KEYS=Fernet.generate_key().decode(),
        WAREHOUSE_FILES=str(folder / "files"),
        WAREHOUSE_CHART=_chart(),
    )
    import django
    from django.core.management import call_command

    django.setup()
    from example_project.demo.story import free_port
    from tests.pictures.scene import make_past, make_present

    site = f"http://127.0.0.1:{free_port(8000)}"
    # Pages show where Redis is: a port, as it mostly is.
    port = free_port(6379)
    with redis.Redis.from_url(os.environ["UPNEXT_REDIS_URL"]) as client:
        client.config_set("port", port)
    os.environ["UPNEXT_REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    call_command("migrate", verbosity=0)
    make_past()
    worker = ("worker", ["upnext_worker", "--shutdown-timeout", "1"], folder / "worker.log")
    with running(worker, ("site", ["runserver", "--noreload", site[7:]], folder / "site.log")) as children:
        until(Reader(site).is_served, "the start of the site", children)
        # Playwright keeps a loop running in this thread, in which the ORM refuses to work.
        with ThreadPoolExecutor(1) as threads:
            scene = threads.submit(make_present).result()
        yield site, scene
    valkey.release()


def _chart() -> str:
    """Return a little chart, as a PNG in base64."""
    chart = Image.new("RGB", (480, 200), "white")
    draw = ImageDraw.Draw(chart)
    for place, height in enumerate((118, 131, 97, 140, 152, 88, 121)):
        draw.rectangle((30 + 62 * place, 185 - height, 70 + 62 * place, 185), fill="#417690")
    draw.line((20, 185, 460, 185), fill="#666666")
    file = io.BytesIO()
    chart.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()
