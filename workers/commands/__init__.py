"""The work of each command of `standing`. `workers.cli` parses the command line and prints."""
