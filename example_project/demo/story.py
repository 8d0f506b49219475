"""What the demo does, step by step, and what it says about it."""

from __future__ import annotations

import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import reverse

from example_project.demo import history
from example_project.demo.children import Child, running, until
from example_project.demo.failure import DemoFailed
from example_project.demo.visitor import Visitor
from example_project.shop.models import Order, Product
from example_project.shop.tasks import always_fails, flaky, flow
from upnext_django import Future
from upnext_django.connection import redis_url
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.exceptions import RedisUnavailable

__all__ = ["tell"]

_USER = "demo"
_USUAL_PORT = 8000
_PROGRESS_S = 30.0


def tell(*, serve: bool, folder: Path) -> None:
    """Run the whole demo. With ``serve`` it stays up until KeyboardInterrupt.

    ``folder`` is where the logs of the children go. Raises DemoFailed; whatever was started has been
    stopped when it returns or raises.
    """
    call_command("migrate", verbosity=0, interactive=False)
    say(f"Database  {folder / 'demo.sqlite3'}, migrated")
    try:
        say(f"Valkey    embedded, {redis_url()}")
    except RedisUnavailable as error:
        raise DemoFailed(str(error)) from error
    port = free_port(_USUAL_PORT if serve else 0)
    site = f"http://127.0.0.1:{port}"
    worker_log, site_log = folder / "demo-worker.log", folder / "demo-site.log"
    with running(
        ("worker", ["upnext_worker", "--shutdown-timeout", "5"], worker_log),
        ("site", ["runserver", "--noreload", f"127.0.0.1:{port}"], site_log),
    ) as children:
        visitor = Visitor(site)
        until(visitor.is_served, "the start of the site", children)
        say(f"Worker    manage.py upnext_worker, log {worker_log}")
        say(f"Site      {site}, log {site_log}")
        place_order(visitor, children)
        recount(visitor, children)
        run_flow(children)
        run_failures(children)
        show_admin(site, serve=serve)
        if serve:
            stay_up(children)
    say("\nStopped the site and the worker; the embedded Valkey ends with this process.")


def place_order(visitor: Visitor, children: list[Child]) -> None:
    """Order something on the site and wait for the receipt that a sync task writes."""
    product = Product.objects.order_by("pk").first()
    if product is None:
        raise DemoFailed("there is no product to order; remove .upnext/ and run it again.")
    quantity = {f"quantity_{product.pk}": "2"}
    page = visitor.submit(
        reverse("shop:place_order"), reverse("shop:place_order"), email="ada@example.com", **quantity
    )
    order = Order.objects.get(reference=urlsplit(page.url).path.rstrip("/").rpartition("/")[2])
    until(
        lambda: Order.objects.filter(pk=order.pk, receipt_at__isnull=False).exists(), "the receipt", children
    )
    order.refresh_from_db()
    say(f"\nOrder     2 x {product} placed through the view; receipt written by job {order.receipt_job}")


def recount(visitor: Visitor, children: list[Child]) -> None:
    """Start a count on the site, whose async view submits an async task, and wait for its row."""
    product = Product.objects.filter(lines__isnull=False).order_by("pk")[0]
    page = visitor.submit(product.get_absolute_url(), reverse("shop:start_recount", args=[product.slug]))
    job_id = parse_qs(urlsplit(page.url).query)["recount"][0]
    until(lambda: history.has_ended(job_id), "the count of the sales", children)
    product.refresh_from_db()
    say(f"Recount   {product.sold} x {product} sold, counted by job {job_id}")


def run_flow(children: list[Child]) -> None:
    """Run the three-level workflow, show its progress and then its tree."""
    future = flow.submit_sync()
    say(f"\nFlow      job {future.job_id}")
    start = time.monotonic()
    shown: history.Progress | None = None

    def show_progress() -> bool:
        nonlocal shown
        has_ended = history.has_ended(future.job_id)
        progress = history.progress(future.job_id)
        # A line for each step that the flow itself reports, not for each of its jobs; and the last one
        # when all have ended, as the row of the flow may be final a moment before those below it.
        is_new = shown is None or (shown.status, shown.message) != (progress.status, progress.message)
        if has_ended or (is_new and progress.status not in TERMINAL):
            say(f"  {time.monotonic() - start:5.1f} s  {progress}")
            shown = progress
        return has_ended

    until(show_progress, "the end of the flow", children, seconds=_PROGRESS_S)
    expect("complete", future, "flow")
    say("\nExecution tree, read back from the history")
    for line in history.tree_lines(future.job_id):
        say(f"  {line}")


def run_failures(children: list[Child]) -> None:
    """Run the task that needs three attempts and the one that never succeeds with such an amount."""
    third_time, never = flaky.submit_sync(), always_fails.submit_sync(amount=0)
    until(lambda: history.has_ended(third_time.job_id, never.job_id), "the end of the retries", children)
    for title, future, status in (("flaky", third_time, "complete"), ("always_fails", never, "failed")):
        expect(status, future, title)
        say(f"\n{title}, job {future.job_id}: {status}")
        for line in history.attempt_lines(future.job_id) + history.dead_letter_lines(future.job_id):
            say(f"  {line}")


def show_admin(site: str, *, serve: bool) -> None:
    """Say where the admin is and how to log in. Only who keeps the site up gets a password."""
    user, _ = get_user_model().objects.get_or_create(
        username=_USER, defaults={"is_staff": True, "is_superuser": True}
    )
    password = secrets.token_urlsafe(12) if serve else None
    user.set_password(password)
    user.save(update_fields=["password"])
    admin = reverse("admin:index")
    if serve:
        say(f"\nAdmin     {site}{admin}")
        say(f"          Log in as {_USER!r} with the password {password!r}, which is new with each start.")
    else:
        say(f"\nAdmin     http://127.0.0.1:{_USUAL_PORT}{admin} after `make demo SERVE=1`,")
        say(f"          which keeps site and worker up and prints a password for the user {_USER!r}")


def stay_up(children: list[Child]) -> None:
    """Wait for Ctrl-C. Raises DemoFailed if the site or the worker ends before that."""
    say("\nThe site and the worker stay up. Stop them with Ctrl-C.")
    while True:
        for child in children:
            child.check()
        time.sleep(0.5)


def expect(status: str, future: Future[Any], title: str) -> None:
    """Raise DemoFailed, with the traceback from the history, unless the job has this status."""
    if (found := future.status_sync()) != status:
        raise DemoFailed(
            f"{title}, job {future.job_id}, is {found} and should be {status}.\n"
            f"{history.last_traceback(future.job_id)}"
        )


def free_port(wanted: int) -> int:
    """Return ``wanted`` if nobody listens there on this machine, else a free port; 0 wants any."""
    with socket.socket() as probe:
        # As the server itself does: else a port that was in use a minute ago counts as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
