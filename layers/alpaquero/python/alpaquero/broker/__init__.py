"""The broker and its market data: protocols, and the adapter over alpaca-py."""
