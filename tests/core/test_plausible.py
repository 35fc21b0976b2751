"""What a tariff can hardly mean is asked about, with what would be right; what may be meant is not."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.config.load import load_settings
from gateway.config.plausible import doubts
from gateway.config.settings import Settings
from gateway.errors import ConfigError

TOU = {"kind": "time_of_use", "otherwise_per_kwh": "0.30", "periods": [{"from": "17:00", "to": "21:00", "per_kwh": "0.42"}]}  # fmt: skip
FEED = {"name": "market", "provider": "awattar"}


def flat(per_kwh: str) -> dict[str, str]:
    return {"kind": "flat", "per_kwh": per_kwh}


def home(tariff: dict[str, Any], **more: Any) -> Settings:
    stated = {"currency": "EUR", "import_price": flat("0.30"), **tariff}
    raw = {"device": [{"name": "inverter", "host": "127.0.0.1"}], "tariff": stated, **more}  # fmt: skip
    return Settings.model_validate(raw)


ODD: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("export in cents", {"import_price": flat("0.30"), "export_price": flat("8.2")}, {}, "export_price", "write 0.082"),
    ("import in cents", {"import_price": flat("28.5")}, {}, "import_price", "write 0.285"),
    ("import per MWh", {"import_price": flat("285")}, {}, "import_price", "write 0.285"),
    ("kronor in a home of euros", {"import_price": flat("2.4")}, {}, "import_price", "0.03 to 1.0 is usual in EUR"),
    ("cents in one period", {"import_price": {**TOU, "periods": [{"from": "17:00", "to": "21:00", "per_kwh": "42"}]}}, {"site": {"time_zone": "Europe/Berlin"}}, "import_price", "write 0.42"),
    ("too little", {"import_price": flat("0.0003")}, {}, "import_price", "usual"),
    ("export far above import", {"import_price": flat("0.30"), "export_price": flat("0.9")}, {}, "export_above_import", "same unit"),
    ("an empty list", {"import_price": {**TOU, "periods": []}}, {"site": {"time_zone": "Europe/Berlin"}}, "periods", "add periods"),
    ("hours without a time zone", {"import_price": TOU}, {}, "time_zone", 'time_zone = "Europe/Berlin"'),
    ("a night without a time zone", {"flat_night": {}}, {}, "time_zone", "UTC"),
    ("a fee by the hour without a time zone", {"grid_fee": {**TOU, "otherwise_per_kwh": "0.08"}, "import_price": flat("0.2")}, {}, "time_zone", "UTC"),
    ("a grid fee in cents", {"grid_fee": flat("9.5"), "import_price": flat("0.2")}, {}, "grid_fee", "write 0.095"),
    ("levies in cents", {"levies_per_kwh": "2.05", "import_price": flat("0.2")}, {}, "levies_per_kwh", "cents"),
    ("a tax of 0.19 percent", {"tax_pct": "0.19"}, {}, "tax_pct", "19 means 19 %"),
    ("a tax of 190 percent", {"tax_pct": "190"}, {}, "tax_pct", "19 means 19 %"),
    ("published by nobody", {"import_price": {"kind": "published"}}, {}, "import_unpublished", "nobody publishes it"),
    ("an adder in cents", {"import_price": {"kind": "published", "feed": "market", "adder_per_kwh": "16.5"}}, {"price_feed": [FEED]}, "import_adder", "write 0.165"),
    ("a factor of a thousand", {"import_price": {"kind": "published", "feed": "market", "factor": "1000"}}, {"price_feed": [FEED]}, "import_factor", "1 passes"),
    ("a currency that nobody knows", {"currency": "XXQ"}, {}, "currency", "EUR"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "tariff", "more", "name", "says"), ODD, ids=[c[0] for c in ODD])
def test_the_odd_is_asked_about_and_taken_where_it_is_meant(
    case: str, tariff: dict[str, Any], more: dict[str, Any], name: str, says: str
) -> None:
    found = {d.name: d.says for d in doubts(home(tariff, **more))}
    assert says in str(found[name]), found
    names = tuple(found)
    assert not doubts(home({**tariff, "accept": names}, **more))


RIGHT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nothing said of exports", {"currency": "USD"}, {}),
    ("an old feed-in", {"import_price": flat("0.32"), "export_price": flat("0.57")}, {}),
    ("feed-in that costs", {"import_price": flat("0.32"), "export_price": flat("-0.01")}, {}),
    ("Texas", {"currency": "USD", "import_price": flat("0.11"), "export_price": flat("0.03")}, {}),
    ("Sweden", {"currency": "SEK", "import_price": flat("2.4"), "export_price": flat("0.6")}, {}),
    ("Japan", {"currency": "JPY", "import_price": flat("31"), "export_price": flat("8.5")}, {}),
    ("Korea", {"currency": "KRW", "import_price": flat("214.6")}, {}),
    ("energy apart from the grid", {"import_price": flat("0.02"), "grid_fee": flat("0.12")}, {}),
    ("hours in UTC, and meant so", {"import_price": TOU}, {"site": {"time_zone": "UTC"}}),
    ("a feed", {"import_price": {"kind": "published", "feed": "market", "adder_per_kwh": "0.165"}}, {"price_feed": [FEED]}),
    ("wholesale at an exchange", {"import_price": {"kind": "wholesale", "adder_per_kwh": "0.045"}}, {"market": {"url": "http://a"}}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "tariff", "more"), RIGHT, ids=[c[0] for c in RIGHT])
def test_what_may_be_meant_is_not_asked_about(
    case: str, tariff: dict[str, Any], more: dict[str, Any]
) -> None:
    assert not doubts(home(tariff, **more))


def test_check_asks_with_line_and_key_and_accepts(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[[device]]\nname = "inverter"\nhost = "inverter.lan"\n[tariff]\ncurrency = "EUR"\n'
        'import_price = { kind = "flat", per_kwh = "28.5" }\n'
    )
    app = make_app("gateway.cli", "")
    asked = CliRunner().invoke(app, ["check", "--config", str(path), "--offline"])
    assert asked.exit_code == 1
    line = next(text for text in asked.output.splitlines() if text.startswith("ASK"))
    assert f"{path}:6: tariff.import_price: 28.5 EUR a kWh" in line
    assert 'accept = ["import_price"]' in line
    accepted = CliRunner().invoke(app, ["check", "--config", str(path), "--offline", "--accept"])
    assert accepted.exit_code == 0


def test_a_price_that_nobody_stated_is_asked_for_and_cannot_be_waved_through(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[[device]]\nname = "inverter"\nhost = "inverter.lan"\n[tariff]\naccept = ["import_missing"]\n'
    )
    app = make_app("gateway.cli", "")
    for more in ([], ["--accept"]):
        asked = CliRunner().invoke(app, ["check", "--config", str(path), "--offline", *more])
        assert asked.exit_code == 1
        (line,) = [text for text in asked.output.splitlines() if text.startswith("ASK")]
        assert "tariff.import_price: what a kWh from the grid costs is not stated" in line
        assert line.endswith('e.g. import_price = { kind = "flat", per_kwh = "0.14" }')


def test_the_examples_of_the_documentation_are_right(tmp_path: Path) -> None:
    text = Path(__file__).parents[2].joinpath("docs/tariffs.md").read_text()
    blocks = [
        textwrap.dedent(b) for b in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    ]
    examples = [b for b in blocks if "[tariff]" in b]
    assert len(examples) == 6
    for example in examples:
        path = tmp_path / "gateway.toml"
        zone = '[site]\ntime_zone = "Europe/Berlin"\n[[device]]\nname = "inverter"\nhost = "a"\n'
        path.write_text(zone + example)
        assert not doubts(load_settings(path)), example


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('[tariff]\ncurrency = "euro"', "tariff.currency: 'euro' is no code of a currency"),
        ('[tariff]\nimport_price = { kind = "published", feed = "x" }', "the price feed 'x'"),
        ('[[price_feed]]\nname = "m"\nprovider = "json-rows"\nurl = "prices"', "is no address"),
    ],
)
def test_what_cannot_be_meant_at_all_is_a_fault_of_the_file(
    table: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[[device]]\nname = "inverter"\nhost = "a"\n{table}\n')
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_settings(path)


def test_small_letters_are_the_same_currency() -> None:
    assert home({"currency": "eur"}).tariff.currency == "EUR"


def test_free_nights_beside_a_usual_rate_are_no_doubt() -> None:
    """One usual rate says that the unit is right: free nights and negative hours are sold in earnest."""
    for night in ("0", "0.01", "-0.05"):
        periods = [{"from": "21:00", "to": "06:00", "per_kwh": night}]
        tariff = {
            "import_price": {"kind": "time_of_use", "otherwise_per_kwh": "0.24", "periods": periods}
        }
        settings = Settings.model_validate(
            {
                "site": {"time_zone": "America/Chicago"},
                "device": [{"name": "inverter", "host": "127.0.0.1"}],
                "tariff": tariff,
            }
        )
        assert doubts(settings) == []
