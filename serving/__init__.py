"""The service and the command line: routes, keys, pages, client; the rooms below do the work."""
