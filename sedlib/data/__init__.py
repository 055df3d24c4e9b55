"""Data sets: DESED's layout and tables, audio files and their store, labels and batches, scenes."""
