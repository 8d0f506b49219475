"""The worker process: claim, run, settle; leases, deadlines, threads and shutdown. No Django here."""
