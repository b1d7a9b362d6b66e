"""Strategy: indicators, the rule that raises signals, and their ranking."""
