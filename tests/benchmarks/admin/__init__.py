"""The admin's pages on a million jobs; see ``python -m tests.benchmarks.admin``."""
