"""Identifiers of the account that follow from the seed, so that two runs with one seed are alike."""

from __future__ import annotations

from hashlib import sha256

from alpaquero.simulation.identity import derived_id


def account_number(seed: int) -> str:
    """An account number in the shape of Alpaca's paper accounts: PA and ten characters."""
    digest = sha256(f"{seed}/account number".encode()).hexdigest()
    return f"PA{int(digest, 16) % 10**10:010d}"


def account_id(seed: int) -> str:
    """The account's id."""
    return derived_id(seed, "account")
