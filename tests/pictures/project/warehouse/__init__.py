"""A business with something to do, for the pictures of the documentation."""
