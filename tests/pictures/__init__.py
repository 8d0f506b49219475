"""``make screenshots``: pictures of every page of the admin of a site at work, for the documentation."""
