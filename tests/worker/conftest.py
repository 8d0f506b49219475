"""Worker processes for every test of this folder."""

from tests.fleet.fixtures import fleet

__all__ = ["fleet"]
