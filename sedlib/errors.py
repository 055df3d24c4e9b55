"""The one exception for a user's mistakes; the command line shows it as one line, and so does a notebook."""


class SedError(ValueError):
    """Bad input. The message names the file, the value and the fix."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]
