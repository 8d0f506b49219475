"""Settings of the example shop, for development and for the tests of upnext_django.

The environment may override: ``UPNEXT_EXAMPLE_DATABASE`` (a path or a URL, see databases.py),
``UPNEXT_TEST_POSTGRES_URL`` (run the tests on PostgreSQL), ``UPNEXT_EXAMPLE_DEBUG`` (0 switches
DEBUG off), ``UPNEXT_EXAMPLE_NAMESPACE`` (keeps jobs apart on one Redis),
``UPNEXT_EXAMPLE_SECRETS_KEYS`` (Fernet keys with commas between them) and ``UPNEXT_REDIS_URL``,
which upnext_django reads itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from example_project import databases

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("UPNEXT_EXAMPLE_DEBUG", "1").lower() not in ("0", "false", "no", "off")

# For development only: this key is public, so a site that uses it can be taken over.
SECRET_KEY = "django-insecure-example-project-for-development-only"

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",
    "upnext_django",
    "example_project.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": databases.from_url(
        os.environ.get("UPNEXT_EXAMPLE_DATABASE")
        or os.environ.get("UPNEXT_TEST_POSTGRES_URL")
        or str(BASE_DIR / "db.sqlite3")
    ),
    # Nothing is stored here; the tests of projects with several databases need a second one.
    "other": databases.sqlite(BASE_DIR / "other.sqlite3"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / ".upnext" / "media"

# Everything at its default: with DEBUG on and no UPNEXT_REDIS_URL, the embedded Valkey starts.
UPNEXT: dict[str, Any] = {}
if keys := os.environ.get("UPNEXT_EXAMPLE_SECRETS_KEYS"):
    UPNEXT["SECRETS_KEYS"] = keys.split(",")
if namespace := os.environ.get("UPNEXT_EXAMPLE_NAMESPACE"):
    UPNEXT["NAMESPACE"] = namespace

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "upnext": {"handlers": ["console"], "level": "INFO"},
        "example_project": {"handlers": ["console"], "level": "INFO"},
    },
}
