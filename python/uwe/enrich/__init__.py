"""Synthetic training edges for skills that real data cover badly, each with its provenance."""
