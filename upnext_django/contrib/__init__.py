"""The words of other job systems, for code that moves over; each package is a thin layer over the tasks."""
