"""One short function for each stage of a run; ``pipeline`` has them in order."""
