"""Whether the installation is well: one module for each family of checks, ``report`` asks them all."""
