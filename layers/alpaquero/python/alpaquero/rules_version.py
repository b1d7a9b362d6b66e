"""The version of the rules: strategies, risk and sizing. Kept with what they decided, for a replay.

Raise it with a change that lets the same bars, books and settings come to a different decision;
test_rules_version.py in tests/unit/strategy and tests/unit/risk notice such a change.
"""

from __future__ import annotations

RULES_VERSION = 3
