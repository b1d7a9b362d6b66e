"""Backtests on this machine, without a cloud: what `alpaquero backtest` and its subcommands do."""
