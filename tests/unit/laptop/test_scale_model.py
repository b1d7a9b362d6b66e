"""Which limit breaks first: shares of quotas, repeatable by their seed, and the page that shows them."""

from __future__ import annotations

import pytest

from laptop import scale_model
from laptop.cost.work import Measurements
from laptop.marked import page_with
from laptop.scale_model import CASES, LEVERS, PAGE, QUOTAS, Case, stacks_that_fit, uses
from laptop.template import functions

MEASURED = Measurements.load()


def share(case: Case, key: str) -> float:
    """What a case takes of a quota."""
    return next(use.share for use in uses(case, MEASURED) if use.key == key)


def test_11_000_symbols_exceed_the_free_plan_and_one_group() -> None:
    """220 requests of 50 symbols against 200 a minute; more orders than one group executes; all else fits."""
    broken = {use.key for use in uses(CASES[0], MEASURED) if use.share > 1}
    assert broken == {"alpaca_free", "fifo_group"}
    assert share(CASES[0], "alpaca_free") == pytest.approx(220 / 200)


def test_the_fullest_limit_is_first() -> None:
    """Whoever reads the table sees what breaks first, and every limit has its lever."""
    for case in CASES:
        shares = [use.share for use in uses(case, MEASURED)]
        assert shares == sorted(shares, reverse=True)
    assert set(LEVERS) == set(QUOTAS) == {use.key for use in uses(CASES[0], MEASURED)}


@pytest.mark.parametrize("key", ["partition_writes", "table_writes", "alpaca_orders", "fifo_group"])
def test_accounts_share_no_hot_key(key: str) -> None:
    """What is keyed by account takes the same of its limit with one account as with a thousand."""
    one, many = (Case(name="", accounts=count, symbols=50) for count in (1, 1000))
    assert share(one, key) == pytest.approx(share(many, key))


def test_accounts_share_lambda() -> None:
    """A thousand accounts take about a thousand times the concurrency of ten, but for luck."""
    few, many = (Case(name="", accounts=count, symbols=50) for count in (100, 1000))
    assert share(many, "concurrency") == pytest.approx(10 * share(few, "concurrency"), rel=0.2)


def test_the_same_seed_gives_the_same_figures() -> None:
    """A simulation that cannot be repeated proves nothing."""
    assert uses(CASES[1], MEASURED) == uses(CASES[1], MEASURED)


def test_roles_are_what_stacks_run_out_of() -> None:
    """Each function has its own role, so some thirty stacks fill an account before anything else does."""
    quota, taken, stacks = stacks_that_fit()[0]
    assert quota.what.startswith("IAM roles")
    assert taken >= len(functions())
    assert stacks == 1000 // taken


def test_the_page_is_what_the_model_says() -> None:
    """docs/scale.md's tables: `python -m laptop.scale_model` writes them."""
    text = PAGE.read_text()
    is_current = text == page_with(text, scale_model.BEGIN, scale_model.generated(MEASURED))
    assert is_current, "run `python -m laptop.scale_model` and commit docs/scale.md"
