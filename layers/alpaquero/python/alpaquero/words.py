"""What the vocabularies are made of that rules look up all the time: sides, types, states of orders."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A word of a vocabulary; it hashes as its text, in C: an enum's own hash is a call of Python."""

    __hash__ = str.__hash__
