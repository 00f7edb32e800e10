"""Queries in, matches out."""
