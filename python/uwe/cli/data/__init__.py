"""`uwe data`: publishers' files to tasks, target spaces and graphs, a command a file."""
