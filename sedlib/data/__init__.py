"""Data sets: DESED's layout and tables, audio files and their store, labels and batches, and the generator of MiniDESED."""
