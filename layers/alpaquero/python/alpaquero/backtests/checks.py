"""Two checks of a strategy against prices: does it look ahead, and does it settle in its warm-up?

Called by `alpaquero backtest check-lookahead` and `check-warm-up`, for a shipped rule or anyone's file.

**Lookahead.** Whatever has seen the future must answer as one that has not. The rule is asked for each
bar on data that ends there, in a fresh copy of its module, oldest bar first: it cannot know more. Then
the module that has already seen the whole series is asked again, newest bar first, and its `rolling`
form is given the whole series at once. Values and decisions must be equal at every bar.

**Warm-up.** A recursive value (EMA, Wilder's RSI) depends on where its series begins. Each value is
computed on windows of rising length that end at the same bar; from some length on, all answer as the
longest does. The settings must judge at least so many bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec, module_from_spec
from math import inf, isnan
from typing import Any, cast

import msgspec

from alpaquero import strategies
from alpaquero.prices.columns import Columns
from alpaquero.strategy import registry
from alpaquero.strategy.protocol import Decision, Strategy, Vectorised
from alpaquero.strategy.settings import StrategySettings

LOOKAHEAD_TOLERANCE = 1e-9
WARM_UP_TOLERANCE = 1e-3
_MOST_TOLD = 20
_LADDER = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
_LEAST_LONGER = 1.5  # the reference has so many times the bars that are judged


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that changed: `form` is `values` or `rolling`, `what` a value's name or `decision`."""

    symbol: str
    bar_start: int
    form: str
    what: str
    knowing_the_future: str
    on_truncated_data: str


class Lookahead(msgspec.Struct, frozen=True, kw_only=True):
    """What the lookahead check found; `differences` holds the first 20 of `different`."""

    rule: str
    symbols: int
    bars: int
    signals: int
    signals_different: int
    different: int
    differences: list[Difference]
    forms: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing looked ahead."""
        return not self.different


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of one length: how far their values are from the longest's, and decisions that differ.

    A difference is absolute for values up to 1 and relative above; infinite when one is not defined.
    """

    bars: int
    largest_difference: dict[str, float]
    decisions_different: int


class WarmUp(msgspec.Struct, frozen=True, kw_only=True):
    """What the warm-up check found.

    `first_value_bars` is the least number of bars that gave every required value, `declared_bars` what
    the rule's `warm_up_bars` says; `settled_bars` the least from which on nothing differed by more
    than `tolerance`, None when it never settled; `judged_bars` what the settings judge.
    """

    rule: str
    symbols: int
    places: int
    tolerance: float
    reference_bars: int
    judged_bars: int
    declared_bars: int
    first_value_bars: int | None
    settled_bars: int | None
    rungs: list[Rung]

    @property
    def faults(self) -> list[str]:
        """What is wrong, with the fix; empty when the check is passed."""
        found = []
        if self.first_value_bars is None:
            found.append(f"{self.rule} gave no value at all on these prices; test other symbols or dates")
        elif self.first_value_bars > self.declared_bars:
            found.append(
                f"warm_up_bars says {self.declared_bars}, but the first values came at "
                f"{self.first_value_bars} bars; correct warm_up_bars"
            )
        if self.settled_bars is None:
            found.append(
                f"values still change by more than {self.tolerance:g} at {self.reference_bars} bars: they "
                "depend on where the series begins; give longer prices, or compute them on a window of fixed "
                "length"
            )
        elif self.settled_bars > self.judged_bars:
            found.append(
                f"values settle at {self.settled_bars} bars and {self.judged_bars} are judged; "
                f"set minimum_history_bars to {self.settled_bars}"
            )
        return found

    @property
    def passed(self) -> bool:
        """Whether what is judged has settled."""
        return not self.faults


Answer = tuple[dict[str, float | None], Decision | None]


def check_lookahead(
    series: Mapping[str, Columns],
    settings: StrategySettings,
    *,
    show: Callable[[str], None] = lambda _symbol: None,
) -> Lookahead:
    """Asks the rule for every bar of each series that has enough history; see the module's docstring.

    Raises `ValueError` when no series is long enough.
    """
    window = settings.minimum_history_bars
    usable = _long_enough(series, window)
    forms = ("values", "rolling") if registry.vectorised(settings.rule) else ("values",)
    bars = signals = different = wrong_signals = 0
    told: list[Difference] = []
    for symbol, columns in usable.items():
        show(symbol)
        truth = _truncated(symbol, columns, settings)
        bars += len(truth)
        signals += sum(answer[1] is not None for answer in truth.values())
        wrong_bars = set()
        for form, place, answer in _knowing(symbol, columns, settings):
            for what, knowing, truncated in _unequal(answer, truth[place]):
                different += 1
                wrong_bars |= {place} if what == "decision" else set()
                if len(told) < _MOST_TOLD:
                    told.append(
                        Difference(
                            symbol=symbol,
                            bar_start=columns.start[place],
                            form=form,
                            what=what,
                            knowing_the_future=knowing,
                            on_truncated_data=truncated,
                        )
                    )
        wrong_signals += len(wrong_bars)
    return Lookahead(
        rule=settings.rule,
        symbols=len(usable),
        bars=bars,
        signals=signals,
        signals_different=wrong_signals,
        different=different,
        differences=told,
        forms=forms,
    )


def _long_enough(series: Mapping[str, Columns], window: int) -> dict[str, Columns]:
    usable = {symbol: columns for symbol, columns in series.items() if len(columns) >= window}
    if not usable:
        most = max(map(len, series.values()), default=0)
        raise ValueError(
            f"no symbol has the {window} bars that are judged, the longest has {most}; "
            "give an earlier --from or lower minimum_history_bars"
        )
    return usable


def _truncated(symbol: str, columns: Columns, settings: StrategySettings) -> dict[int, Answer]:
    """The answer at each place, by a fresh module that is shown one bar more each time."""
    rule = _fresh(settings.rule)
    parameters = _parameters(rule, symbol, settings)
    window = settings.minimum_history_bars
    return {
        place: _answer(rule, columns[place + 1 - window : place + 1], parameters)
        for place in range(window - 1, len(columns))
    }


def _knowing(symbol: str, columns: Columns, settings: StrategySettings) -> Iterator[tuple[str, int, Answer]]:
    """The answers of a module that has seen the whole series, by each form it has."""
    rule = _fresh(settings.rule)
    parameters = _parameters(rule, symbol, settings)
    window = settings.minimum_history_bars
    _answer(rule, columns, parameters)
    for place in reversed(range(window - 1, len(columns))):
        yield "values", place, _answer(rule, columns[place + 1 - window : place + 1], parameters)
    vectorised = registry.vectorised(settings.rule)
    if vectorised is not None:
        yield from _rolling(vectorised, columns, settings.parameters_for(symbol), window)


def _rolling(
    rule: Vectorised[Any], columns: Columns, parameters: Any, window: int
) -> Iterator[tuple[str, int, Answer]]:
    from alpaquero.strategy.panel import Panel

    found = rule.rolling(Panel.of([columns]), parameters, window)
    made = rule.decide_many(found, parameters)
    for place in range(window - 1, len(columns)):
        values = {name: _defined(float(rows[0][place])) for name, rows in found.items()}
        side = int(made.side[0][place])
        decision = None
        if side:
            from alpaquero.orders.intent import Side

            decision = Decision(
                side=Side.BUY if side > 0 else Side.SELL,
                strength=int(made.strength[0][place]),
                tag=made.tags[int(made.tag[0][place])],
            )
        yield "rolling", place, (values, decision)


def _fresh(name: str) -> Strategy[Any]:
    """The rule's module executed once more: it has seen nothing yet."""
    registry.strategy(name)
    spec = find_spec(f"{strategies.__name__}.{name}")
    if spec is None or spec.loader is None:
        raise ValueError(f"{name} has no file that could be loaded again")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Strategy[Any]", module)


def _parameters(rule: Strategy[Any], symbol: str, settings: StrategySettings) -> Any:
    changed = settings.parameters | settings.overrides.get(symbol, {})
    return msgspec.convert(changed, rule.Parameters, strict=False)


def _answer(rule: Strategy[Any], columns: Columns, parameters: Any) -> Answer:
    values = {
        name: None if value is None else _defined(round(value, 9))
        for name, value in rule.values(columns, parameters).items()
    }
    known = {name: value for name, value in values.items() if value is not None}
    complete = all(name in known for name in rule.REQUIRED)
    return values, rule.decide(known, parameters) if complete else None


def _defined(value: float) -> float | None:
    return None if isnan(value) else value


def _unequal(answer: Answer, truth: Answer) -> Iterator[tuple[str, str, str]]:
    """What differs: its name, what was answered, and the truth."""
    for name in sorted(answer[0].keys() | truth[0].keys()):
        found, expected = answer[0].get(name), truth[0].get(name)
        if distance(found, expected) > LOOKAHEAD_TOLERANCE * 10:  # both are rounded to 1e-9
            yield name, _said(found), _said(expected)
    if answer[1] != truth[1]:
        yield "decision", _decided(answer[1]), _decided(truth[1])


def distance(one: float | None, other: float | None) -> float:
    """How far two values are apart, relative where they are large; infinite if one is undefined.

    >>> distance(1000.0, 1001.0)
    0.001
    """
    if one is None or other is None:
        return 0.0 if one is other else inf
    return abs(one - other) / max(1.0, abs(one))


def _said(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.9g}"


def _decided(decision: Decision | None) -> str:
    return "none" if decision is None else f"{decision.side} {decision.strength} {decision.tag}"


def check_warm_up(
    series: Mapping[str, Columns],
    settings: StrategySettings,
    *,
    tolerance: float = WARM_UP_TOLERANCE,
    places: int = 60,
    show: Callable[[str], None] = lambda _symbol: None,
) -> WarmUp:
    """Computes values on windows of rising length; see the module's docstring.

    `places` bars a symbol are looked at, spread evenly over those with enough history. Raises
    `ValueError` when no series has half as many bars again as are judged.
    """
    window = settings.minimum_history_bars
    usable = _long_enough(series, int(window * _LEAST_LONGER))
    rule = registry.strategy(settings.rule)
    reference = min(max(map(len, usable.values())) - 1, int(window * _LADDER[-1]))
    usable = {symbol: columns for symbol, columns in usable.items() if len(columns) > reference * 0.75}
    reference = min(reference, *(len(columns) * 4 // 5 for columns in usable.values()))
    declared = max(rule.warm_up_bars(settings.parameters_for(symbol)) for symbol in usable)
    lengths = _lengths(declared, window, reference)
    worst: dict[int, dict[str, float]] = {length: {} for length in lengths}
    decisions = dict.fromkeys(lengths, 0)
    looked_at = 0
    for symbol, columns in usable.items():
        show(symbol)
        parameters = settings.parameters_for(symbol)
        for place in _spread(reference - 1, len(columns), places):
            looked_at += 1
            truth = _answer(rule, columns[place + 1 - reference : place + 1], parameters)
            for length in lengths:
                found = _answer(rule, columns[place + 1 - length : place + 1], parameters)
                decisions[length] += found[1] != truth[1]
                for name in found[0].keys() | truth[0].keys():
                    apart = distance(found[0].get(name), truth[0].get(name))
                    worst[length][name] = max(worst[length].get(name, 0.0), apart)
    return WarmUp(
        rule=settings.rule,
        symbols=len(usable),
        places=looked_at,
        tolerance=tolerance,
        reference_bars=reference,
        judged_bars=window,
        declared_bars=declared,
        first_value_bars=_first_value(rule, usable, settings, declared, reference),
        settled_bars=_settled(lengths, worst, tolerance),
        rungs=[
            Rung(bars=n, largest_difference=dict(sorted(worst[n].items())), decisions_different=decisions[n])
            for n in lengths
        ],
    )


def _lengths(declared: int, window: int, reference: int) -> list[int]:
    """The lengths to try: steps up from what the rule declares, and what is judged."""
    steps = {int(declared * part) for part in _LADDER} | {window}
    return sorted(length for length in steps if length < reference)


def _spread(first: int, end: int, most: int) -> list[int]:
    count = min(most, end - first)
    return sorted({first + round(number * (end - 1 - first) / max(count - 1, 1)) for number in range(count)})


def _settled(
    lengths: Sequence[int], worst: Mapping[int, Mapping[str, float]], tolerance: float
) -> int | None:
    """The least length from which on no value is further from the reference than `tolerance`."""
    settled = None
    for length in reversed(lengths):
        if max(worst[length].values(), default=inf) > tolerance:
            break
        settled = length
    return settled


def _first_value(
    rule: Strategy[Any], series: Mapping[str, Columns], settings: StrategySettings, declared: int, most: int
) -> int | None:
    """The least number of bars on which every required value was defined, of any symbol."""
    for count in range(max(1, declared - 1), most + 1):
        for symbol, columns in series.items():
            values, _ = _answer(rule, columns[-count:], settings.parameters_for(symbol))
            if all(values.get(name) is not None for name in rule.REQUIRED):
                return count
    return None
