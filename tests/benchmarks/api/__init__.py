"""The API's answers on a million jobs; see ``python -m tests.benchmarks.api``."""
