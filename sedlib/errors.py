"""The one exception for a user's mistakes; the command line shows it as one line, without a traceback."""


class SedError(ValueError):
    """Bad input. The message names the file, the value and the fix."""
