"""The brokers of this process: which Redis, and one client object for each."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from upnext_django import conf
from upnext_django.broker.broker import Broker
from upnext_django.broker.url import mask
from upnext_django.embedded import EmbeddedValkey

__all__ = ["embedded_folder", "get_broker", "label_of", "redis_url"]


class NamedRedis(Protocol):
    """The part of a broker that names it."""

    url_masked: str


# None is the broker of redis_url(), any other key a Worker's own URL.
_brokers: dict[str | None, Broker] = {}
_embedded: dict[Path, EmbeddedValkey] = {}
_embedded_lock = threading.Lock()


def get_broker(url: str | None = None) -> Broker:
    """Return this process's broker for ``url``; None is the Redis that the settings name.

    Connects to nothing: the first call on the broker does. Raises ImproperlyConfigured where there is
    no URL, see redis_url().
    """
    broker = _brokers.get(url)
    if broker is None:
        # Two threads may both make one; setdefault keeps the first, and the other held no connection.
        broker = _brokers.setdefault(url, Broker(conf.get(), url=url or redis_url()))
    return broker


def label_of(broker: NamedRedis) -> str:
    """Return what names the Redis of ``broker`` in a row: "" for that of the settings.

    A Worker's own is its URL with the password masked. The settings' has no URL here, because it may
    be known by another one elsewhere, and may move.
    """
    url = conf.get().redis_url
    if broker is _brokers.get(None) or (url is not None and mask(url) == broker.url_masked):
        return ""
    return broker.url_masked


def redis_url() -> str:
    """Return the URL of the Redis to use.

    It is ``UPNEXT["REDIS_URL"]``, else the environment variable ``UPNEXT_REDIS_URL``, else with
    ``DEBUG=True`` the embedded server's, which is started if it does not run. Raises
    ImproperlyConfigured with ``DEBUG=False`` and no URL.
    """
    url = conf.get().redis_url
    if url is not None:
        return url
    if django_settings.DEBUG:
        return _embedded_url(embedded_folder())
    raise ImproperlyConfigured(
        "There is no Redis URL, and with DEBUG=False no server is started for you; set "
        f"UPNEXT['REDIS_URL'] or the environment variable {conf.ENVIRONMENT_URL}, "
        "for example to 'redis://localhost:6379/0'."
    )


def embedded_folder() -> Path:
    """Return the folder of the project, whose ``.upnext`` has the embedded server's data."""
    return Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd())


def _embedded_url(folder: Path) -> str:
    with _embedded_lock:
        if folder not in _embedded:
            _embedded[folder] = EmbeddedValkey(folder)
        return _embedded[folder].ensure()


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("UPNEXT", "DEBUG", "BASE_DIR"):
        while _brokers:
            broker = _brokers.popitem()[1]
            if not broker.is_awaited:
                # Else its thread would look for a server that may be gone, for ever.
                broker.close()


def _renew_lock() -> None:
    # A fork while another thread starts the server would leave it locked for ever in the child.
    global _embedded_lock
    _embedded_lock = threading.Lock()


setting_changed.connect(_forget, dispatch_uid="upnext_django.connection")
os.register_at_fork(after_in_child=_renew_lock)
