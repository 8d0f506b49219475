"""The speed of the worker beside a plain loop and the peers; ``python -m tests.benchmarks``."""
