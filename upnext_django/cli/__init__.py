"""The console script ``upnext`` and ``upnext.run()``: background jobs without a Django project."""
