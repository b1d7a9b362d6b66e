"""What pages for people are made of: sections, tables, figures as text; no host, no script.

`backtests.report` and `portfolio.report` write their pages with it. A figure that there is not is a dash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from importlib.resources import files

from alpaquero.prices.sessions import NEW_YORK

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
NONE = "–"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, *sections: str) -> str:
    """The whole page. Its policy lets it load nothing at all."""
    style = (files("alpaquero.backtests") / "report.css").read_text("utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A part of the page under its title; nothing of nothing."""
    inner = "".join(parts)
    return f"<section><h2>{title}</h2>{inner}</section>" if inner else ""


def monthly_table(
    monthly: Mapping[int, Mapping[int, float]],
    yearly: Mapping[int, float],
    benchmark_yearly: Mapping[int, float] | None = None,
) -> str:
    """Percent by year and month, with the years', and where there is one the benchmark's."""
    most = max((abs(v) for months in monthly.values() for v in months.values()), default=0.0)
    last = () if benchmark_yearly is None else ("Buy and hold",)
    head = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS, "Year", *last))
    body = "".join(
        f"<tr><th>{year}</th>"
        + "".join(_shaded(months.get(month), most) for month in range(1, 13))
        + f"<td><b>{plain(yearly.get(year))}</b></td>"
        + ("" if benchmark_yearly is None else f"<td>{plain(benchmark_yearly.get(year))}</td>")
        + "</tr>"
        for year, months in monthly.items()
    )
    inner = f'<table class="months"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{inner}</div>'


def _shaded(value: float | None, most: float) -> str:
    """A cell the darker the further its month was from 0."""
    if value is None:
        return "<td></td>"
    part = round(60 * abs(value) / most) if most else 0
    return f'<td class="{"win" if value > 0 else "loss"}" style="--part:{part}%">{plain(value)}</td>'


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts; every cell is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _written(write: Callable[[float], str], value: float | Decimal | None) -> str:
    return NONE if value is None else write(float(value)).replace("-", "−")


def money(value: float | Decimal | None) -> str:
    """Dollars and cents."""
    return _written(lambda amount: f"{'-' if amount < 0 else ''}${abs(amount):,.2f}", value)


def short_money(value: float) -> str:
    """Dollars as short as an axis needs them."""
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"${value / size:,.5g}{unit}"
    return f"${value:,.5g}"


def price(value: Decimal) -> str:
    """Dollars a share, up to four decimals."""
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def axis_price(value: float) -> str:
    """A price as an axis writes it."""
    return f"{value:,.6g}"


def percent(value: float | Decimal | None) -> str:
    """A percentage with its sign."""
    return _written(lambda part: f"{part:+,.2f}%", value)


def share(value: float | Decimal | None) -> str:
    """A percentage that is never below 0."""
    return _written(lambda part: f"{part:,.2f}%", value)


def axis_percent(value: float) -> str:
    """A percentage as an axis writes it."""
    return f"{value:.4g}%"


def plain(value: float | None) -> str:
    """A number with one decimal."""
    return _written(lambda part: f"{part:,.1f}", value)


def number(value: float | Decimal | None) -> str:
    """A number with two decimals."""
    return _written(lambda part: f"{part:,.2f}", value)


def duration(value: timedelta | None) -> str:
    """Days, or hours where it is less than one."""
    if value is None:
        return NONE
    hours = value.total_seconds() / 3600
    return f"{hours / 24:,.1f} days" if hours >= 24 else f"{hours:,.1f} hours"


def day(at: datetime) -> str:
    """The date in New York."""
    return at.astimezone(NEW_YORK).date().isoformat()


def when(at: datetime) -> str:
    """Date and time in New York."""
    return at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M")
