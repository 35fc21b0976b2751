"""The backtest as one page that works offline: the chart library and all data are inside it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from gateway.backtest.study import Study
from gateway.errors import ConfigError
from gateway.escape import html_text
from gateway.forecasts.history import Array

_WORST_DAYS = 12


def write_page(path: Path, study: Study, result: dict[str, Any]) -> None:
    """Writes the page; raises ConfigError when it cannot be written."""
    try:
        path.write_text(page(study, result), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def page(study: Study, result: dict[str, Any]) -> str:
    """The page's HTML."""
    static = files("gateway.dashboard") / "static" / "vendor"
    data = json.dumps(_data(study), separators=(",", ":"), allow_nan=False)
    parts = {
        "TITLE": f"Backtest {result['first'][:10]} to {result['end'][:10]}",
        "CSS": static.joinpath("uPlot.min.css").read_text(encoding="utf-8"),
        "UPLOT": static.joinpath("uPlot.iife.min.js").read_text(encoding="utf-8"),
        "SUMMARY": _summary(result),
        "MONTHS": _months(result),
        "DAYS": _days(study),
        "DATA": data.replace("</", "<\\/"),
        "ZONE": html_text(study.case.zone.key),
        "CURRENCY": html_text(result["currency"]),
    }
    text = _TEMPLATE
    for key, value in parts.items():
        text = text.replace(f"@@{key}@@", value)
    return text


def _data(study: Study) -> dict[str, Any]:
    """Columns of the charts; NaN becomes null."""
    series, ours, best = study.series, study.ours, study.perfect
    first = int(series.start(0).timestamp())
    gain = np.cumsum(ours.cash - study.none.cash)
    gain_best = np.cumsum(best.cash - study.none.cash)
    gain_greedy = np.cumsum(study.greedy.cash - study.none.cash)
    return {
        "time": [first + 900 * i for i in range(len(series))],
        "rt": _column(series.rt, 2),
        "da": _column(series.da, 2),
        "value": _column(ours.value, 1),
        "load": _column(series.load * 4 / 1000, 2),
        "pv": _column(series.pv * 4 / 1000, 2),
        "grid": _column(ours.grid * 4 / 1000, 2),
        "stored": _column(ours.stored / 1000, 2),
        "stored_best": _column(best.stored / 1000, 2),
        "gain": _column(gain, 3),
        "gain_best": _column(gain_best, 3),
        "gain_greedy": _column(gain_greedy, 3),
    }


def _column(values: Array, digits: int) -> list[float | None]:
    return [None if v != v else round(v, digits) for v in values.tolist()]  # noqa: PLR0124 - NaN


def _summary(result: dict[str, Any]) -> str:
    money = result["money"]
    rows = (
        ("no battery", money["none"], 0.0),
        ("greedy self-consumption", money["greedy"], result["capture_greedy"]),
        (f"strategy {result['strategy']}", money["ours"], result["capture"]),
        ("perfect foresight", money["perfect"], 1.0),
    )
    cells = "".join(_row(label, f"{amount:.2f}", _share(part)) for label, amount, part in rows)
    head = f"<tr><th></th><th>{html_text(result['currency'])}</th><th>of foresight</th></tr>"
    return f"<table>{head}{cells}</table>"


def _months(result: dict[str, Any]) -> str:
    head = "<tr><th>month</th><th>none</th><th>greedy</th><th>ours</th><th>perfect</th><th>capture</th></tr>"
    rows = [
        _row(
            m["month"],
            *(f"{m[k]:.2f}" for k in ("none", "greedy", "ours", "perfect")),
            _share(m["capture"]),
        )
        for m in result["months"]
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _days(study: Study) -> str:
    """The days on which foresight would have earned most over us."""
    offset = study.series.start(0).astimezone(study.case.zone).utcoffset()
    shift = int(offset.total_seconds()) if offset else 0
    first = int(study.series.start(0).timestamp())
    day = (first + shift + 900 * np.arange(len(study.series))) // 86400
    lost = np.bincount(day - day[0], weights=study.perfect.cash - study.ours.cash)
    rows = []
    for index in np.argsort(-lost, kind="stable")[:_WORST_DAYS].tolist():
        part = np.flatnonzero(day - day[0] == index)
        start, end = first + 900 * int(part[0]), first + 900 * int(part[-1] + 1)
        date = f"{study.series.start(int(part[0])).astimezone(study.case.zone):%a %Y-%m-%d}"
        link = f'<a href="#prices" data-from="{start}" data-to="{end}">{date}</a>'
        high = f"{study.series.rt[part].max():.0f}"
        rows.append(f"<tr><td>{link}</td><td>{lost[index]:.2f}</td><td>{high}</td></tr>")
    head = "<tr><th>day</th><th>lost</th><th>highest price</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _row(label: str, *cells: str) -> str:
    return f"<tr><td>{html_text(label)}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"


def _share(part: float | None) -> str:
    return "-" if part is None else f"{part:.3f}"


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>@@TITLE@@</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>@@CSS@@
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a2230}
h1{font-size:1.5rem} h2{font-size:1.1rem;margin-top:2rem} p{max-width:46rem;color:#4a5568}
table{border-collapse:collapse} td,th{padding:.15rem .9rem .15rem 0;text-align:right}
td:first-child,th:first-child{text-align:left} th{font-weight:600;border-bottom:1px solid #cbd5e0}
.side{display:flex;gap:3rem;flex-wrap:wrap} button{font:inherit;padding:.1rem .7rem}
</style></head><body>
<h1>@@TITLE@@</h1>
<div class="side"><div>@@SUMMARY@@</div><div>@@MONTHS@@</div></div>
<h2>Money gained over no battery</h2><div id="money"></div>
<h2>Where we lost against foresight</h2>
<p>The days on which hindsight would have earned most over us. Choose one to see it below.</p>
@@DAYS@@
<h2 id="prices">Prices and the value of stored energy</h2>
<p>Drag to zoom; double-click to see all. Value: what one more stored MWh was worth to the strategy.
<button id="all">show all</button></p>
<div id="price"></div><div id="charge"></div><div id="power"></div>
<script>@@UPLOT@@</script>
<script id="data" type="application/json">@@DATA@@</script>
<script>
const d = JSON.parse(document.getElementById("data").textContent);
const sync = uPlot.sync("time");
const width = () => document.body.clientWidth;
const plots = [];
function plot(id, unit, lines, key) {
  const series = [{}].concat(lines.map(l => ({label: l[0], stroke: l[2], width: 1.3,
    dash: l[3], points: {show: false}})));
  const options = {width: width(), height: 240, series,
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1e3), "@@ZONE@@"),
    axes: [{}, {label: unit, size: 60}],
    cursor: key ? {sync: {key: "time", scales: ["x", null]}} : {},
    hooks: key ? {setScale: [(u, scale) => { if (scale === "x") follow(u); }]} : {}};
  const made = new uPlot(options, [d.time].concat(lines.map(l => d[l[1]])), document.getElementById(id));
  if (key) plots.push(made);
  return made;
}
let busy = false;
function follow(u) {
  if (busy) return;
  busy = true;
  const {min, max} = u.scales.x;
  plots.forEach(p => { if (p !== u) p.setScale("x", {min, max}); });
  busy = false;
}
function show(from, to) { plots[0].setScale("x", {min: from, max: to}); }
const money = plot("money", "@@CURRENCY@@", [["foresight", "gain_best", "#a0aec0"],
  ["ours", "gain", "#2b6cb0"], ["greedy", "gain_greedy", "#c05621"]]);
plot("price", "per MWh", [["real-time", "rt", "#c53030"], ["day-ahead", "da", "#a0aec0"],
  ["value of stored", "value", "#2f855a"]], true);
plot("charge", "kWh", [["stored, ours", "stored", "#2b6cb0"],
  ["stored, foresight", "stored_best", "#a0aec0", [4, 4]]], true);
plot("power", "kW", [["load", "load", "#4a5568"], ["PV", "pv", "#d69e2e"],
  ["grid, import +", "grid", "#805ad5"]], true);
document.querySelectorAll("a[data-from]").forEach(a => a.addEventListener("click",
  () => show(+a.dataset.from, +a.dataset.to)));
document.getElementById("all").addEventListener("click",
  () => show(d.time[0], d.time[d.time.length - 1]));
addEventListener("resize", () => plots.concat([money]).forEach(p => p.setSize({width: width(), height: 240})));
</script></body></html>
"""
