"""What only the lessons use: checks, plots, players, widgets, stubs."""
