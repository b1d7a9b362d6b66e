"""Charts as inline SVG text, coloured by the page's style sheet; called by `backtests.report`.

A chart is text alone: no script, no font, no host. Colours are classes (`line equity`, `area fall`),
so that the page's light and dark styles and its print style apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from math import ceil, floor, log10

from alpaquero.quickly_made import dataclass

WIDTH = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 24
_MOST_POINTS = 1400  # more than the pixels of a chart show nothing more
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Line:
    """Values over the chart's places; None leaves a gap. `kind` is its CSS class."""

    kind: str
    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Marker:
    """A triangle at a place and value, with a text shown while pointed at."""

    kind: str
    place: float
    value: float
    text: str
    upward: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A straight line between two places and values: from an entry to its exit."""

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where places 0..count-1 and values low..high lie on the drawing, in its units."""

    count: int
    low: float
    high: float
    height: int

    def x(self, place: float) -> float:
        return _LEFT + place / max(self.count - 1, 1) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        inner = self.height - _TOP - _BOTTOM
        return _TOP + (self.high - value) / (self.high - self.low) * inner


def time_chart(
    days: Sequence[date],
    lines: Sequence[Line],
    *,
    height: int = 260,
    label: str,
    tick: Callable[[float], str],
    markers: Sequence[Marker] = (),
    spans: Sequence[Span] = (),
    area: bool = False,
) -> str:
    """Lines over days, with axes; `area` fills between a line and 0. `tick` writes a value.

    `label` is read to who cannot see the chart. Raises `ValueError` without a day.
    """
    if not days:
        raise ValueError("a chart needs at least one day")
    values = [value for line in lines for value in line.values if value is not None]
    values += [marker.value for marker in markers]
    low, high, ticks = _scale([*values, 0.0] if area else values)
    plane = _Plane(len(days), low, high, height)
    parts = [_grid(plane, ticks, tick), _day_axis(plane, days)]
    parts += [_line(plane, line, area=area) for line in lines]
    parts += [
        f'<line class="{span.kind}" x1="{plane.x(span.start[0]):.1f}" y1="{plane.y(span.start[1]):.1f}"'
        f' x2="{plane.x(span.end[0]):.1f}" y2="{plane.y(span.end[1]):.1f}"/>'
        for span in spans
    ]
    parts += [_triangle(plane, marker) for marker in markers]
    return _drawing(height, label, "".join(parts))


def histogram(values: Sequence[float], *, label: str, tick: Callable[[float], str], height: int = 220) -> str:
    """How many of `values` lie in each step, those below 0 in another colour than those above."""
    low, high, _ = _scale([*values, 0.0])
    width = _nice((high - low) / 24)
    first = floor(low / width)
    bins = [0] * max(ceil(high / width) - first, 1)
    for value in values:
        bins[min(floor(value / width) - first, len(bins) - 1)] += 1
    _, top, counts = _scale([0.0, float(max(bins, default=1))])
    plane = _Plane(len(bins) + 1, 0.0, top, height)
    whole = [count for count in counts if count == int(count)]
    parts = [_grid(plane, whole, lambda count: f"{count:,.0f}")]
    for place, count in enumerate(bins):
        start, end = (first + place) * width, (first + place + 1) * width
        parts.append(
            f'<rect class="bar {"loss" if end <= 0 else "win"}" x="{plane.x(place) + 1:.1f}"'
            f' y="{plane.y(count):.1f}" width="{plane.x(1) - plane.x(0) - 2:.1f}"'
            f' height="{plane.y(0) - plane.y(count):.1f}">'
            f"<title>{escape(tick(start))} to {escape(tick(end))}: {count:,}</title></rect>"
        )
    every = max(1, ceil(len(bins) / 9))
    parts += [
        f'<text class="axis middle" x="{plane.x(place):.1f}" y="{height - 6}">'
        f"{escape(tick((first + place) * width))}</text>"
        for place in range(len(bins) + 1)
        if (first + place) % every == 0
    ]
    return _drawing(height, label, "".join(parts))


def _drawing(height: int, label: str, inner: str) -> str:
    opening = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}">'
    return f'<div class="chart">{opening}{inner}</svg></div>'


def _scale(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Lowest and highest value of an axis that holds `values`, and the round values to write at it."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high <= low:
        low, high = low - max(abs(low) * 0.01, 1e-6), high + max(abs(high) * 0.01, 1e-6)
    step = _nice((high - low) / 5)
    first, last = floor(low / step), ceil(high / step)
    return first * step, last * step, [place * step for place in range(first, last + 1)]


def _nice(step: float) -> float:
    """The next round number from `step` up: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(part for part in _STEPS if part * power >= step * (1 - 1e-9)) * power


def _grid(plane: _Plane, ticks: Sequence[float], tick: Callable[[float], str]) -> str:
    return "".join(
        f'<line class="grid{" zero" if value == 0 else ""}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}"'
        f' y1="{plane.y(value):.1f}" y2="{plane.y(value):.1f}"/>'
        f'<text class="axis end" x="{_LEFT - 6}" y="{plane.y(value) + 4:.1f}">{escape(tick(value))}</text>'
        for value in ticks
    )


def _day_axis(plane: _Plane, days: Sequence[date]) -> str:
    """A text where a year begins, or a month or some days when the chart spans less."""
    span = (days[-1] - days[0]).days
    parts, style = (1, "%Y") if span > 3 * 365 else (2, "%b %Y") if span > 100 else (3, "%d %b")
    stretches = [(day.year, day.month, day.day)[:parts] for day in days]
    starts = [place for place in range(1, len(days)) if stretches[place] != stretches[place - 1]] or [0]
    keep = starts[:: max(1, ceil(len(starts) / 12))]
    return "".join(
        f'<text class="axis middle" x="{plane.x(place):.1f}" y="{plane.height - 6}">'
        f"{days[place].strftime(style)}</text>"
        for place in keep
    )


def _line(plane: _Plane, line: Line, *, area: bool) -> str:
    points = [f"{plane.x(place):.1f},{plane.y(value):.1f}" for place, value in _thinned(line.values)]
    if not points:
        return ""
    title = f"<title>{escape(line.name)}</title>"
    stroke = f'<polyline class="line {line.kind}" points="{" ".join(points)}">{title}</polyline>'
    if not area:
        return stroke
    base = f"{plane.y(0):.1f}"
    first, last = points[0].split(",")[0], points[-1].split(",")[0]
    outline = " ".join([f"{first},{base}", *points, f"{last},{base}"])
    return f'<polygon class="area {line.kind}" points="{outline}"/>{stroke}'


def _thinned(values: Sequence[float | None]) -> list[tuple[int, float]]:
    """The values with their places; of a long series the lowest and highest of each stretch."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) <= _MOST_POINTS:
        return known
    stretch = ceil(len(known) / (_MOST_POINTS // 2))
    kept = {known[0], known[-1]}
    for start in range(0, len(known), stretch):
        part = known[start : start + stretch]
        kept |= {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
    return sorted(kept)


def _triangle(plane: _Plane, marker: Marker) -> str:
    x, y = plane.x(marker.place), plane.y(marker.value)
    tip, base = (y, y + 9) if marker.upward else (y, y - 9)
    return (
        f'<path class="marker {marker.kind}" d="M{x:.1f} {tip:.1f}L{x - 5:.1f} {base:.1f}h10z">'
        f"<title>{escape(marker.text)}</title></path>"
    )
