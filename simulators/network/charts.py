"""Charts as SVG text for a page of its own: no script, no request, colours from the page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 20, 44


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a name; ``low`` and ``high`` make a band around it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Axes:
    """What is drawn on: words at the axes, whether x is logarithmic, whether zero must be seen."""

    x_name: str
    y_name: str
    log_x: bool = False
    from_zero: bool = True
    x_ticks: Sequence[tuple[float, str]] = field(default_factory=tuple)


def line_chart(title: str, lines: Sequence[Line], axes: Axes) -> str:
    """Lines with bands; the names stand in a legend above, each with its own dash and colour."""
    xs = [_x(v, axes) for line in lines for v in line.x]
    ys = [v for line in lines for part in (line.y, line.low, line.high) for v in part]
    if axes.from_zero:
        ys.append(0.0)
    x0, x1 = min(xs), max(xs)
    ticks = nice_ticks(min(ys), max(ys))
    y0, y1 = min(ticks[0], *ys), max(ticks[-1], *ys)
    place = _Place(x0, x1 if x1 > x0 else x0 + 1, y0, y1 if y1 > y0 else y0 + 1)
    parts = [_grid(place, ticks, axes)]
    for n, line in enumerate(lines):
        parts.append(_drawn(n, line, place, axes))
    return _figure(title, "".join(parts), [line.name for line in lines])


def bar_chart(title: str, bars: Sequence[tuple[str, float, float, float]], y_name: str) -> str:
    """Bars (name, value, low, high) up and down from zero, the value written at each."""
    ys = [0.0, *(v for _, *values in bars for v in values)]
    ticks = nice_ticks(min(ys), max(ys))
    place = _Place(0, len(bars), min(ticks[0], *ys), max(ticks[-1], *ys))
    parts = [_grid(place, ticks, Axes("", y_name))]
    for n, (name, value, low, high) in enumerate(bars):
        left, right = place.x(n + 0.2), place.x(n + 0.8)
        top, bottom = sorted((place.y(value), place.y(0)))
        middle = (left + right) / 2
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{max(bottom - top, 0.8):.1f}"/>'
            f'<path class="whisker" d="M{middle:.1f} {place.y(low):.1f}V{place.y(high):.1f}"/>'
            f'<text class="value" x="{middle:.1f}" y="{min(place.y(high), place.y(0)) - 6:.1f}">{_short(value)}</text>'
            f'<text class="tick" text-anchor="middle" x="{middle:.1f}" y="{HEIGHT - 22}">{escape(name)}</text>'
        )
    return _figure(title, "".join(parts), [])


@dataclass(frozen=True, slots=True)
class _Place:
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return (
            HEIGHT - _BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - _TOP - _BOTTOM)
        )


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover low to high."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1.0):  # a float's own grain is no range
        return [low, low + 1]
    raw = (high - low) / count
    size = 10 ** floor(log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= raw * 0.999)
    first = floor(low / step + 1e-9)
    ticks = [round(first * step, 12)]
    while ticks[-1] < high - 1e-9 * step:
        ticks.append(round((first + len(ticks)) * step, 12))
    return ticks


def _x(value: float, axes: Axes) -> float:
    return log10(value) if axes.log_x else value


def _grid(place: _Place, ticks: Sequence[float], axes: Axes) -> str:
    parts = []
    for tick in ticks:
        y = place.y(tick)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
            f'<text class="tick" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">{_short(tick)}</text>'
        )
    for value, word in axes.x_ticks:
        x = place.x(_x(value, axes))
        parts.append(
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{HEIGHT - 24}">{escape(word)}</text>'
        )
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    parts.append(
        f'<text class="name" text-anchor="middle" x="{(WIDTH + _LEFT) / 2:.0f}" y="{HEIGHT - 6}">{escape(axes.x_name)}</text>'
        f'<text class="name" text-anchor="middle" transform="translate(14 {middle:.0f}) rotate(-90)">{escape(axes.y_name)}</text>'
    )
    if place.y0 < 0 < place.y1:
        parts.append(f'<path class="zero" d="M{_LEFT} {place.y(0):.1f}H{WIDTH - _RIGHT}"/>')
    return "".join(parts)


def _drawn(n: int, line: Line, place: _Place, axes: Axes) -> str:
    points = [(place.x(_x(x, axes)), place.y(y)) for x, y in zip(line.x, line.y, strict=True)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    band = ""
    if line.low:
        up = [
            f"{place.x(_x(x, axes)):.1f} {place.y(y):.1f}"
            for x, y in zip(line.x, line.high, strict=True)
        ]
        down = [
            f"{place.x(_x(x, axes)):.1f} {place.y(y):.1f}"
            for x, y in zip(line.x, line.low, strict=True)
        ]
        band = f'<path class="band c{n}" d="M{"L".join(up + down[::-1])}Z"/>'
    dots = "".join(
        f'<circle class="dot c{n}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        for x, y in points
        if len(points) < 20
    )
    return f'{band}<path class="line c{n}" d="{path}"/>{dots}'


def _figure(title: str, inner: str, names: Sequence[str]) -> str:
    keys = "".join(
        f'<span class="key k{n}">{escape(name)}</span>'
        for n, name in enumerate(names)
        if len(names) > 1
    )
    legend = f'<div class="legend">{keys}</div>' if keys else ""
    return (
        f'<figure>{legend}<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{inner}</svg></figure>"
    )


def _short(value: float) -> str:
    """A number of few characters."""
    size = abs(value)
    if size < 0.005:
        return "0"
    if size >= 1e6:
        return f"{value / 1e6:g}M" if size < 1e9 else f"{value / 1e9:g}G"
    if size >= 1e4:
        return f"{value / 1e3:,.4g}k"
    return f"{value:.3g}" if size < 1000 else f"{value:,.0f}"
