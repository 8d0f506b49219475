"""Actions on very many rows, gone through by a worker in chunks; docs/explanation/decisions has the why."""
