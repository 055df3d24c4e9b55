"""The command line, as a test calls it."""

from click.testing import CliRunner

from sedlib.cli import cli


def sedlib(*arguments) -> tuple[int, str, str]:
    """Exit status, standard output and errors; a defect shows its traceback."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr
