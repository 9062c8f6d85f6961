"""What an operator must mend before a command or a worker can run."""


class Refused(Exception):
    """Said in one line, with exit code 2, never in a traceback. The message says what to do."""
