"""Whatever gives vectors or scores, made into what `uwe bench` evaluates."""
