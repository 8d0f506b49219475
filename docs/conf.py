"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "upnext_django"
author = "upnext_django contributors"
copyright = "upnext_django contributors"  # noqa: A001 - the name is Sphinx's
release = installed_version("upnext-django")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
