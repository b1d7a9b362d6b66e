"""Alpaquero's shared package: one implementation of each rule, for the functions and the paper exchange."""

__version__ = "0.1.0"
