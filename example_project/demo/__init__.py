"""The demo: ``python -m example_project.demo`` runs the shop, a worker and a few jobs, and shows them.

``SERVE=1`` in the environment keeps the site and the worker up until Ctrl-C.
"""
