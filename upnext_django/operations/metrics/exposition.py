"""A scrape in Prometheus's text format."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import ImproperlyConfigured

__all__ = ["CONTENT_TYPE", "text"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def text() -> bytes:
    """Return the metrics as they are now. Raises ImproperlyConfigured without the extra ``metrics``."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest

        from upnext_django.operations.metrics.families import Collector
    except ImportError as error:
        raise ImproperlyConfigured(
            "Metrics need the package prometheus_client: pip install 'upnext-django[metrics]'."
        ) from error
    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)
