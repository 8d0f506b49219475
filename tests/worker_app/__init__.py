"""An app whose ``tasks`` are those of the module that ``UPNEXT_TEST_TASKS`` names."""
