"""Here because task modules import from ``celery.utils.log``; only the front of a path should change."""
