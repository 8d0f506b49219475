"""What the admin's and the API's benchmarks have in common: a million jobs, two databases, one report."""
