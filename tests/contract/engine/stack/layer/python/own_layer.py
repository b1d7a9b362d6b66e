"""Proves to the engine's contract tests that a layer is on the path."""

ANSWER = "from the layer"
