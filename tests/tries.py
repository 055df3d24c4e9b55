"""How many examples hypothesis tries: those that a test asks for, and in `make check` a quarter of them."""

from hypothesis import settings

share = 1.0


def tries(examples: int = 100, **more) -> settings:
    return settings(max_examples=max(5, round(share * examples)), deadline=None, **more)
