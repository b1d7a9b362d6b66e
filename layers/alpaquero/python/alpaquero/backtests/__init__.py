"""A backtest's request, outcome and report: what command line, job and routes share. Pure."""
