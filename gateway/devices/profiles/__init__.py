"""One datasheet a file; the folder is the registry."""
