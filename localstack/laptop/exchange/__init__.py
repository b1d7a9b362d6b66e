"""The paper exchange: an Alpaca on the laptop that replays real prices, for unmodified alpaca-py."""
