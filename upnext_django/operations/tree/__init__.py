"""A workflow as an execution tree: read, put in order, folded and laid out on a scale of time."""
