"""What `standing` can be asked: one module for each group of commands, without a word of argument parsing.

`workers.cli` parses the command line and prints; these look things up and do them.
"""
