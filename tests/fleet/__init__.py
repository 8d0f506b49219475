"""Real worker processes for tests: the program they run, its tasks, and handles on them."""
