"""How many examples hypothesis tries: those that a test asks for, and in `make check` a quarter of them; no deadlines."""

from hypothesis import settings

share = 1.0


def begin(of_all: float) -> None:
    """Set the share, and hypothesis' own defaults, before the tests are collected."""
    global share
    share = of_all
    settings.register_profile("tests", max_examples=round(100 * share), deadline=None)
    settings.load_profile("tests")


def tries(examples: int, **more) -> settings:
    return settings(max_examples=max(5, round(share * examples)), **more)
