"""Alpaquero's shared package: one implementation of each rule, used by functions, exchange and backtest."""

__version__ = "0.1.0"
