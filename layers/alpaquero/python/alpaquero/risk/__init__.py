"""Risk: the book, the limits, and the small named rules every intent must pass."""
