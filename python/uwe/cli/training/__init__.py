"""`uwe train`: training from the command line, a command a file."""
