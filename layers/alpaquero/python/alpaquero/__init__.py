"""Alpaquero's shared package: one implementation of each rule, for the functions and the paper exchange."""

from alpaquero import cold_start

__version__ = "0.1.0"

cold_start.begin()  # before anything large is imported
