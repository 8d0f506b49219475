"""Schedules that are rows, as a worker reads them."""
