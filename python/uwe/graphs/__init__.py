"""Training graphs: built, read, looked into, and drawn from in batches; without torch."""
