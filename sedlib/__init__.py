"""sedlib: sound event detection as the lessons in ``notebooks/`` teach it, one subpackage per topic."""

from sedlib.workspace import leave_home_alone

__version__ = "0.2.0"

leave_home_alone()  # before anything imports numba
