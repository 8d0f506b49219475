"""A small shop that runs its background work through upnext_django."""
