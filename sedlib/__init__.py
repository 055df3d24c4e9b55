"""sedlib: sound event detection as the lessons in ``notebooks/`` teach it, one room per lesson."""

__version__ = "0.1.0"
