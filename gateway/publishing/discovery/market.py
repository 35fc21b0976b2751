"""Prices, bill and account; what is sold where there is an exchange. Pure."""

from __future__ import annotations

from gateway.domain.metrics import title
from gateway.publishing.discovery.frame import (
    DETAIL,
    ORIGIN,
    Component,
    HomeToDiscover,
    available,
    config_message,
    identity,
)
from gateway.publishing.discovery.settings import settings
from gateway.publishing.topics import HOME_SCALARS, Message

_NAMES = {
    "bill_month": "Bill this month",
    "bill_year": "Bill this year",
    "year_since": "This year counted since",
    "saved_month": "Saved this month",
    "saved_year": "Saved this year",
    "self_sufficiency_today_pct": "Self-sufficiency today",
    "self_sufficiency_month_pct": "Self-sufficiency this month",
    "self_sufficiency_year_pct": "Self-sufficiency this year",
    "month_without_gateway": "This month without the gateway",
    "month_without_battery": "This month without the battery",
    "month_without_sun": "This month without the sun",
    "co2_g_per_kwh": "CO2 of the grid",
}  # where the topic's own name is no English


def market_message(home: HomeToDiscover, commands: bool, exchange: bool) -> Message:
    money = home.currency
    energy: Component = {"device_class": "energy", "unit_of_measurement": "Wh"}
    price: Component = {
        "unit_of_measurement": f"{money}/kWh",
        "state_class": "measurement",
        "suggested_display_precision": 3,
    }
    account: Component = {
        "device_class": "monetary",
        "unit_of_measurement": money,
        "suggested_display_precision": 2,
    }
    share: Component = {
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "suggested_display_precision": 0,
    }
    parts: dict[str, Component] = {}
    for name, about in {
        "position_wh": energy,
        "next_position_wh": energy,
        "open_tenders": {"state_class": "measurement"},
        "import_price_per_kwh": price,
        "export_price_per_kwh": price,
        "import_estimate_per_kwh": price | DETAIL,
        "export_estimate_per_kwh": price | DETAIL,
        "market_price_per_kwh": price,
        "stored_value_per_kwh": price,
        "bill_today": account,
        "bill_month": account,
        "bill_year": account,
        "year_since": {"device_class": "date"} | DETAIL,
        "saved_today": account,
        "saved_month": account,
        "saved_year": account,
        "self_sufficiency_today_pct": share,
        "self_sufficiency_month_pct": share,
        "self_sufficiency_year_pct": share,
        "month_without_gateway": account | DETAIL,
        "month_without_battery": account | DETAIL,
        "month_without_sun": account | DETAIL,
        "co2_g_per_kwh": {"unit_of_measurement": "g/kWh", "state_class": "measurement"} | DETAIL,
        "account_today": account,
        "account_total": {**account, "state_class": "total"},
    }.items():
        if not exchange and name not in HOME_SCALARS:
            continue
        parts[name] = {
            "platform": "sensor",
            "name": _NAMES.get(name)
            or title(name, "_per_kwh" if name.endswith("_per_kwh") else "_wh"),
            "state_topic": f"{home.base}/market/state",
            "value_template": f"{{{{ value_json.{name} }}}}",
            **about,
            **available(home),
            **identity(home, "sensor", f"market_{name}"),
        }
    if commands and exchange:
        parts |= settings(home, lambda setting: setting.part == "market")
    named, model = (
        ("Energy market", "Exchange account") if exchange else ("Energy prices", "Tariff")
    )
    return config_message(home, "market", f"{named} {home.site}", (ORIGIN, model), parts)
