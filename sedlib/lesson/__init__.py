"""What only lessons use: running them, plots, players, live curves, step checks, stubs and the report."""
