"""Portfolio: positions, round trips and performance, all folded from fills."""
