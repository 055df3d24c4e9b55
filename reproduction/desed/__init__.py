"""DESED and RealDESED from their archives: ``sedlib data desed`` and ``sedlib data realdesed``."""
