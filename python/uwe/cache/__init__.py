"""A target space on disk or in memory: built, opened, changed, filtered."""
