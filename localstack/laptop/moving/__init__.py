"""The state of a stack, on a laptop or in AWS, as one file: export, import, and the tables' versions."""
