"""Strategies: each file here is one, found by `alpaquero.strategy.registry`; see docs/strategies.md."""
