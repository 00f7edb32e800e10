"""Text to token vectors, without torch."""
