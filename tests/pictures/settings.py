"""The example as the site of the pictures, with the warehouse's tasks beside its own."""

from __future__ import annotations

import os
from pathlib import Path

from example_project.settings import *  # noqa: F403
from example_project.settings import INSTALLED_APPS as EXAMPLE_APPS
from example_project.settings import MIDDLEWARE as EXAMPLE_MIDDLEWARE

INSTALLED_APPS = [*EXAMPLE_APPS, "warehouse"]
MIDDLEWARE = [*EXAMPLE_MIDDLEWARE, "tests.browser.policy.strict_policy"]
MEDIA_ROOT = Path(os.environ["WAREHOUSE_FILES"])
