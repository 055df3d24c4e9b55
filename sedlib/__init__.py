"""sedlib: sound event detection as the lessons in ``notebooks/`` teach it, one room per lesson."""

import warnings

from sedlib.workspace import leave_home_alone

__version__ = "0.2.0"

# sed_eval, torchmetrics and others import it; the pinned setuptools still has it, and no user can do anything about it.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

leave_home_alone()  # before anything imports numba
