"""The report: one HTML page that needs nothing but itself, light and dark, for a person to judge.

No script, no font, no picture from elsewhere; every chart has its numbers in a table below.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from simulators.network.charts import Axes, Line, bar_chart, line_chart
from simulators.network.experiments import QUANTILES
from simulators.network.style import STYLE

Found = Sequence[dict[str, Any]]
_LABEL = "Table"  # a section puts its own title there: landmarks need names of their own
Document = dict[str, Any]


def report_html(document: Document, found: Found) -> str:
    """The page. The same document gives the same bytes (no time is in it)."""
    body = "".join(
        (
            _head(document),
            _answer(document),
            _saturation(document),
            _gain(document),
            _adoption(document),
            _prices(document, found),
            _sites(document),
            _plug(document),
            _night(document),
            _centre(document),
            _validation(document),
            _switches(document),
            _assumptions(document),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Does trade feed storage?</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _head(d: Document) -> str:
    years = f"{d['years'][0]} to {d['years'][-1]}" if len(d["years"]) > 1 else str(d["years"][0])
    return (
        "<h1>Does trade feed storage?</h1>"
        f'<p class="lead">A market of Texas\'s size, {years}; {d["homes"]:,} homes that could have storage, {d["seeds"]} seeds'
        f" of weather and people, {d['rows']:,} homes played one by one in each. Bands hold eight seeds in ten.</p>"
    )


def _answer(d: Document) -> str:
    first, last = d["saturation"][0], d["saturation"][-1]
    gain = d["loop_gain"]
    fall = (
        1 - last["usd_per_kwh_year"] / first["usd_per_kwh_year"] if first["usd_per_kwh_year"] else 0
    )
    brake = "a brake" if gain["price"] < 0 else "an engine"
    whole = "slows" if gain["total"] < 0 else "feeds"
    # What an assumption was set on proves nothing when it is met, and neither does our own guess.
    free = [
        r for r in d["validation"] if "set on it" not in r["source"] and "[A]" not in r["source"]
    ]
    passed = sum(row["pass"] is True for row in free)
    checked = sum(row["pass"] is not None for row in free)
    return (
        '<section class="answer"><h2>The answer</h2><ul>'
        f"<li>A kWh of storage earns <b>{first['usd_per_kwh_year']:.1f} USD a year</b> from prices where nobody else has one, and"
        f" <b>{last['usd_per_kwh_year']:.1f}</b> where all {last['homes']:,} homes do: <b>{fall:.0%} less</b>.</li>"
        f"<li>In prices alone the loop is <b>{brake}</b> ({1e3 * gain['price']:+.2f} homes a year for each thousand added);"
        f" all doors together it {whole} itself ({1e3 * gain['total']:+.2f}).</li>"
        f"<li>Of {checked} public figures that no assumption was set on, <b>{passed} are met</b>; those that are not are listed below.</li>"
        "</ul></section>"
    )


def _saturation(d: Document) -> str:
    rows = d["saturation"]
    x = [r["homes"] for r in rows]
    line = Line(
        "earned from prices",
        x,
        [r["usd_per_kwh_year"] for r in rows],
        [r["low"] for r in rows],
        [r["high"] for r in rows],
    )
    chart = line_chart(
        "Yearly earnings of a kWh of storage over the number of homes with storage", [line],
        Axes("homes with storage", "USD per kWh and year", log_x=True, x_ticks=[(v, _count(v)) for v in x]),
    )  # fmt: skip
    return _section(
        "How quickly storage eats its own lunch",
        "What a kWh of storage earns from prices (home on the wholesale tariff), by how many homes have storage. Each home's"
        " battery flattens the prices that all of them live on.",
        chart,
        _table(("homes", "USD per kWh and year", "low", "high"), [(f"{r['homes']:,}", r["usd_per_kwh_year"], r["low"], r["high"]) for r in rows]),
    )  # fmt: skip


def _gain(d: Document) -> str:
    bands = d["loop_gain_bands"]
    names = ("price", "hardware", "retail", "credits", "charging", "total")
    parts = [(n, *(1e3 * bands[n][key] for key in ("mean", "low", "high"))) for n in names]
    bars = [(name, mean, low, high) for name, mean, low, high in parts]
    copied = 1e3 * bands["imitation"]["mean"]
    return _section(
        "Loop gain: storage that one more storage brings",
        "Homes that buy within a year for each thousand homes added: through the price batteries earn, what hardware costs, the retail"
        " price they avoid, the credits they share, the charging that cheaper energy brings. Below zero it slows itself."
        f" Copying the neighbours needs no money and is not in the total: {copied:+.1f}.",
        bar_chart("Loop gain by its terms", bars, "homes a year per 1,000 added"),
        _table(("term", "mean", "low", "high"), bars),
    )


def _by_year(
    d: Document, title: str, keys: Sequence[tuple[str, str]], unit: str, scale: float = 1.0
) -> tuple[str, str]:
    """A chart and a table of figures by year."""
    lines: list[Line] = []
    rows: list[tuple[str | float, ...]] = []
    for key, name in keys:
        series = d["by_year"][key]
        years = [r["year"] for r in series]
        lines.append(
            Line(
                name,
                years,
                [r["mean"] * scale for r in series],
                [r["low"] * scale for r in series],
                [r["high"] * scale for r in series],
            )
        )
    for n, year in enumerate(d["years"]):
        rows.append((str(year), *(line.y[n] for line in lines)))
    ticks = [(y, str(y)) for y in d["years"]]
    return line_chart(title, lines, Axes("", unit, x_ticks=ticks)), _table(
        ("year", *(n for _, n in keys)), rows
    )


def _adoption(d: Document) -> str:
    chart, table = _by_year(
        d, "Homes with storage by year", [("homes_with_storage", "homes with storage")], "homes"
    )
    pay, more = _by_year(
        d, "Earnings of a kWh of storage by year",
        [("earned_price_usd_per_kwh", "from prices"), ("earned_retail_usd_per_kwh", "avoided retail"), ("earned_credits_usd_per_kwh", "credits")],
        "USD per kWh and year",
    )  # fmt: skip
    back, third = _by_year(d, "Payback", [("payback_years", "median payback")], "years")
    return (
        _section("Adoption", "Homes that have storage at the start of each year.", chart, table)
        + _section(
            "What a home earns",
            "Mean of all homes with storage, by kWh of capacity, all tariffs.",
            pay,
            more,
        )
        + _section(
            "Payback",
            "Years until a battery has paid for itself, median home; the tax credit ends with 2025.",
            back,
            third,
        )
    )


def _prices(d: Document, found: Found) -> str:
    chart, table = _by_year(
        d,
        "Mean price and daily spread",
        [("mean_price", "mean price"), ("spread", "dearest less cheapest four hours")],
        "USD/MWh",
    )
    x = [100 * (1 - float(q)) for q in QUANTILES][::-1][1:]
    lines = []
    for n in (0, len(d["saturation"]) - 1):
        mean = np.mean([s["saturation"][n]["price_quantiles"] for s in found], axis=0)[::-1][1:]
        lines.append(
            Line(
                f"{d['saturation'][n]['homes']:,} homes with storage",
                x,
                np.minimum(mean, 400).tolist(),
            )
        )
    duration = line_chart(
        "Price duration curves", lines,
        Axes("share of hours at or above the price, %", "USD/MWh (cut at 400)", x_ticks=[(v, str(v)) for v in (0, 20, 40, 60, 80, 100)]),
    )  # fmt: skip
    picked = [0, 4, 9, 24, 49, 74, 94]
    rows: list[tuple[str | float, ...]] = [
        (f"{x[i]:.0f} %", *(line.y[i] for line in lines)) for i in picked
    ]
    return _section("Prices", "Mean over the hours of the year, and what a day offers a battery.", chart, table) + _section(
        "Duration curves", "All hours from the dearest to the cheapest, with next to no storage and with all homes.", duration,
        _table(("hours at or above", *(line.name for line in lines)), rows),
    )  # fmt: skip


def _sites(d: Document) -> str:
    keys = [
        ("site_contract_usd_per_kwh", "contract"),
        ("site_exchange_usd_per_kwh", "exchange"),
        ("site_exchange_own_battery_usd_per_kwh", "exchange and own battery"),
    ]
    chart, table = _by_year(d, "What a kWh costs a charging site", keys, "US cents per kWh", 100)
    return _section(
        "Charging sites",
        "Energy and demand charge: by contract, at the exchange, and at the exchange with a battery of the site.",
        chart,
        table,
    )


def _plug(d: Document) -> str:
    keys = [
        ("nacs_share", "can plug in (inlet or adapter)"),
        ("inlet_share", "inlet built in"),
        ("others_share", "of the sites' traffic: other makes"),
    ]
    chart, table = _by_year(d, "The plug", keys, "%", 100)
    return _section(
        "The plug (NACS, SAE J3400)",
        "Battery cars on the road that can use the network, and the part of its traffic that is not of the first make.",
        chart,
        table,
    )


def _night(d: Document) -> str:
    chart, table = _by_year(
        d,
        "Margin of the night plan",
        [("night_plan_margin_usd", "margin")],
        "million USD a year",
        1e-6,
    )
    return _section(
        "The night plan",
        "The retailer's margin on the flat night plan: fee and day sales less purchase and wires, with the rebound of free energy.",
        chart,
        table,
    )


def _centre(d: Document) -> str:
    bands = d["data_centre_bands"]
    bars = [
        (
            r["scenario"],
            r["mean_price_effect"]["mean"],
            r["mean_price_effect"]["low"],
            r["mean_price_effect"]["high"],
        )
        for r in bands
    ]
    rows = [
        (
            r["scenario"],
            r["mean_mw"]["mean"],
            r["mean_price_effect"]["mean"],
            r["usd_per_exaflop_day"]["mean"],
        )
        for r in bands
    ]
    chart, table = _by_year(
        d, "An exaflop for a day", [("usd_per_exaflop_day", "power of an exaflop-day")], "USD"
    )
    return _section(
        "The data centre", f"What each history adds to the mean price in {d['years'][-1]}.", bar_chart("Effect of the data centre on the mean price", bars, "USD/MWh"),
        _table(("history", "mean MW", "USD/MWh on the mean price", "USD per exaflop-day"), rows),
    ) + _section("An exaflop for a day", "Power cost of one exaflop that pauses above its stop price.", chart, table)  # fmt: skip


def _validation(d: Document) -> str:
    words = {True: "pass", False: "fail", None: "not checked"}
    rows = "".join(
        f'<tr><td class="{words[r["pass"]].replace(" ", "-")}">{words[r["pass"]]}</td><td>{escape(r["name"])}</td>'
        f"<td>{escape(r['expected'])}</td><td>{escape(r['got'])}</td><td>{escape(r['source'])}</td></tr>"
        for r in d["validation"]
    )
    return (
        "<section><h2>Against public figures</h2><p>'Set on it' marks figures that an assumption was set on; the others were not used.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Validation"><table><thead><tr><th>verdict</th><th>figure</th><th>expected</th>'
        f"<th>got</th><th>source</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _switches(d: Document) -> str:
    if not d["switches"]:
        return ""
    rows = [
        (
            r["switch"].replace("_", " "),
            r["usd_per_kwh_alone"],
            r["usd_per_kwh_all"],
            r["mean_price"],
            r["loop_gain"],
        )
        for r in d["switches"]
    ]
    head = ("switch turned", "USD/kWh, first home", "USD/kWh, all homes", "mean price", "loop gain")
    return (
        "<section><h2>One switch at a time</h2><p>The first year, one seed, with each part of the story turned off (or on, where it was off).</p>"
        f"{_grid_table(head, rows, digits=5)}</section>"
    )


def _assumptions(d: Document) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(r['table'])}.{escape(r['key'])}</code></td><td>{escape(_value(r['value']))}</td><td>{escape(r['unit'])}</td><td>{escape(r['source'])}</td></tr>"
        for r in d["assumptions"]
    )
    return (
        "<section><h2>Every assumption</h2><p>[A]: nobody is cited for it; it is the first to doubt. Change any by a line in a scenario file.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Assumptions"><table><thead><tr><th>key</th><th>value</th><th>unit</th><th>source</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:g}" for k, v in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _section(title: str, words: str, chart: str, table: str) -> str:
    table = table.replace(
        f'aria-label="{_LABEL}"', f'aria-label="Numbers: {escape(title, quote=True)}"'
    )
    return f"<section><h2>{escape(title)}</h2><p>{escape(words)}</p>{chart}<details><summary>Numbers: {escape(title)}</summary>{table}</details></section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str | float]], digits: int = 4) -> str:
    return _grid_table(head, rows, digits)


def _grid_table(head: Sequence[str], rows: Sequence[Sequence[str | float]], digits: int = 4) -> str:
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(c)}</td>" if isinstance(c, str) else f'<td class="n">{c:,.{digits}g}</td>'
            for c in row
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{_LABEL}"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _count(value: float) -> str:
    return (
        f"{value / 1e6:g}M"
        if value >= 1e6
        else (f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}")
    )
