"""`uwe bench`: WorkBench from the command line, a command a file."""
