"""Models as torch sees them: reading them from folders, and exporting them."""
