"""What a study assumes: tables of a TOML file, each key with a default, a unit and a source."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from simulators.network.assumptions import Table, assume

OURS = "[A] ours"
MODO = "Modo Energy, ERCOT BESS reports 2023 and 2024"
MIX = "ERCOT Fuel Mix 2024 (hourly workbook)"
ByYear = dict[int, float]


class Market(Table):
    """The wholesale market: its size, its growth, its cap."""

    cap_usd_per_mwh: float = assume(
        5000.0, "USD/MWh", "ERCOT high system-wide offer cap since 2022-01-01", gt=100, le=20_000
    )
    floor_usd_per_mwh: float = assume(
        -250.0, "USD/MWh", "reference: exchange.md 7.1 (configuration)", ge=-1000, le=0
    )
    load_gw: float = assume(52.5, "GW, mean of 2024", MIX, gt=1, le=500)
    load_growth: float = assume(
        0.03, "a year", "[A] ERCOT saw +5 % in 2025; officer letters say far more", ge=-0.1, le=0.3
    )
    thermal_growth_gw: float = assume(
        0.9, "GW a year", "[A] so that mean prices stay in 2024's range", ge=-5, le=20
    )
    withheld_gw: ByYear = assume(
        {2022: 0.0, 2023: 2.5, 2024: 0.3, 2025: 0.0},
        "GW kept out of dispatch",
        "[A] ERCOT's market monitor on the new contingency reserve (ECRS) of June 2023",
    )
    supply: str = assume(
        "parametric",
        "'parametric', 'fitted' (needs public data) or 'merit order'",
        "ours; ERCOT prices on net load; plants by cost",
    )
    wind_gw: ByYear = assume(
        {2023: 12.1, 2024: 12.7, 2025: 13.2, 2026: 13.6, 2030: 14.2},
        "GW, mean output",
        f"{MIX}; later [A]",
    )
    solar_gw: ByYear = assume(
        {2023: 3.7, 2024: 5.5, 2025: 7.3, 2026: 9.0, 2027: 10.0, 2030: 11.5},
        "GW, mean output",
        f"{MIX}; 2025 +50 % (ERCOT via go15.org); later [A] after ERCOT's queue",
    )
    grid_battery_gw: ByYear = assume(
        {2023: 2.9, 2024: 5.6, 2025: 10.0, 2026: 15.0, 2027: 18.0, 2030: 23.0},
        "GW, mid-year",
        f"{MODO} (2.4 GW June 2023, 5.3 GW June 2024); +5.2 GW in 2025; later [A]",
    )
    grid_battery_hours: float = assume(1.6, "h", f"{MODO}: 1 h and 2 h units", gt=0.25, le=12)
    reserve_service_gw: float = assume(
        5.0, "GW", "[A] regulation, RRS and ECRS that batteries can serve", ge=0, le=50
    )
    reserve_held: float = assume(
        0.75,
        "share of it that batteries hold back",
        "[A] Dallas Fed: 714 MW of discharge 6-9 pm in 2024",
        ge=0,
        le=1,
    )
    outage_gw: float = assume(
        1.5,
        "GW, slow deviation of available capacity (sigma)",
        "[A] residuals of price on net load, Jun-Oct 2024",
        ge=0,
        le=20,
    )
    weather_sigma_c: float = assume(3.6, "C, day-to-day", OURS, ge=0, le=15)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.supply not in ("parametric", "fitted", "merit order"):
            raise ValueError("supply is 'parametric', 'fitted' or 'merit order'")
        return self


class Homes(Table):
    """The households that could have storage."""

    load_mwh: float = assume(
        14.1, "MWh a year, mean", "EIA-861, Texas residential 2023", gt=1, le=60
    )
    load_spread: float = assume(0.35, "sigma of its logarithm", OURS, ge=0, le=1.5)
    pv_share: float = assume(0.6, "of homes that could have storage", OURS, ge=0, le=1)
    pv_kw: float = assume(
        7.4, "kW, mean", "LBNL Tracking the Sun 2024, median residential", gt=0.5, le=50
    )
    battery_kwh: float = assume(13.5, "kWh usable", "Powerwall 2 and 3 data sheets", gt=1, le=100)
    slow_kw: float = assume(5.0, "kW for 13.5 kWh", "Powerwall 2 data sheet", gt=0.1, le=50)
    fast_kw: float = assume(11.5, "kW for 13.5 kWh", "Powerwall 3 data sheet", gt=0.1, le=50)
    fast_share: float = assume(0.5, "of batteries", OURS, ge=0, le=1)
    efficiency: float = assume(
        0.945, "each way", "Powerwall 2: 90 % round trip; the demo's battery", gt=0.5, le=1
    )
    surplus_efficiency: float = assume(
        0.945, "from the sun's surplus into the cells", "AC-coupled: the same", gt=0.5, le=1
    )
    wear_usd_per_mwh: float = assume(
        20.0, "USD per MWh discharged", "reference: planning.md 2 (2 ct/kWh)", ge=0, le=500
    )
    reserve: float = assume(
        0.2, "mean backup reserve, share of capacity", "the gateway's default", ge=0, le=0.9
    )
    export_limit_kw: float = assume(10.0, "kW at the meter", OURS, gt=0, le=100)
    wholesale_share: float = assume(0.6, "homes on the wholesale tariff", OURS, ge=0, le=1)
    night_share: float = assume(0.15, "homes on the night plan", OURS, ge=0, le=1)
    sell_back: float = assume(
        0.9,
        "of the wholesale price for exports",
        "Tesla Electric Dynamic plan, Nov 2024",
        ge=0,
        le=1,
    )
    judgement: float = assume(
        0.06, "sigma of a home's forecast beside the others'", OURS, ge=0, le=1
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.wholesale_share + self.night_share > 1:
            raise ValueError(
                "wholesale_share + night_share is over 1; the rest is on the flat tariff"
            )
        return self


class Adoption(Table):
    """Who buys storage, year by year."""

    start_share: float = assume(0.02, "of homes, before the first year", OURS, gt=0, le=1)
    innovation: float = assume(
        0.006, "p of Bass, a year", "[A] range of dGen and epe4md (p <= 0.01)", ge=0, le=0.5
    )
    imitation: float = assume(0.4, "q of Bass, a year", "[A] range of dGen (0.2-0.5)", ge=0, le=2)
    payback_sensitivity: float = assume(
        0.1,
        "per year of payback",
        "[A] epe4md uses 0.3 for panels; a third of it: storage is bought for outages too",
        ge=0,
        le=2,
    )
    backup_usd_per_year: float = assume(
        300.0, "USD a year that an owner gives for backup", OURS, ge=0, le=5000
    )
    lifetime_years: float = assume(15.0, "years", OURS, gt=1, le=40)


class Hardware(Table):
    """What a battery costs."""

    usd_per_kwh: float = assume(
        1050.0,
        "USD per kWh installed, first year",
        "EnergySage quotes 2023-24 (about 1,000-1,300)",
        gt=10,
        le=5000,
    )
    tax_credit: ByYear = assume(
        {2023: 0.3, 2025: 0.3, 2026: 0.0}, "share paid by the state", "IRA 25D; ended 31 Dec 2025"
    )
    other_decline: float = assume(
        0.03,
        "a year, whatever this network does",
        "[A] NREL ATB 2024 moderate, residential",
        ge=-0.1,
        le=0.5,
    )
    learning_rate: float = assume(
        0.013,
        "fall per doubling of cumulative homes",
        "Energy Policy 183 (2023) 113836: 1.3 % of system prices; cells alone 15-17 %",
        ge=0,
        le=0.5,
    )
    other_homes: float = assume(
        750_000.0,
        "home batteries elsewhere that share the learning",
        "Tesla Q3 2024: over 750,000 Powerwalls",
        gt=0,
    )


class Retail(Table):
    """Tariffs and the retailer's business."""

    energy_usd_per_kwh: float = assume(
        0.095,
        "USD/kWh, flat, first year",
        "[A] EIA Texas residential 14.5 ct less delivery",
        gt=0,
        le=1,
    )
    delivery_usd_per_kwh: float = assume(
        0.05, "USD/kWh to the wires", "[A] Texas TDU charges 2024, 4.5-5.7 ct", ge=0, le=1
    )
    adder_usd_per_kwh: float = assume(0.01, "USD/kWh on the wholesale tariff", OURS, ge=0, le=0.5)
    reckoned_usd_per_kwh: float = assume(
        0.04,
        "USD/kWh purchase cost that the first tariff reckons with",
        "[A] ERCOT load-weighted price 2024, about 35 USD/MWh, and hedging",
        ge=0,
        le=1,
    )
    pass_on: float = assume(
        0.5, "of a change in purchase cost that reaches next year's tariff", OURS, ge=0, le=1
    )


class NightPlan(Table):
    """The flat night plan."""

    fee_usd_per_month: float = assume(
        30.0, "USD", "the article, March 2023; 15-25 USD later", ge=0, le=500
    )
    begins: int = assume(22, "local hour", "the article; midnight since Nov 2024", ge=0, le=23)
    ends: int = assume(6, "local hour", "the article", ge=0, le=23)
    car_kwh: float = assume(8.0, "kWh a night", "11,500 miles a year at 0.25 kWh", ge=0, le=100)
    shifted: float = assume(0.10, "of daytime use that moves into the window", OURS, ge=0, le=1)
    rebound: float = assume(
        0.15,
        "more use in the window since it is free",
        "[A] TXU free nights: night use up, total up",
        ge=0,
        le=3,
    )


class Credits(Table):
    """What programmes pay owners beside the energy."""

    usd_per_home: float = assume(
        99.0, "USD a year", "9.9 M USD to owners of over 100,000 units, 2024 (Tesla)", ge=0, le=5000
    )
    need_mw: float = assume(
        160.0,
        "MW that programmes pay for; more units share it",
        "[A] limit of the ERCOT ADER pilot, phase 2",
        gt=0,
    )
    kw_per_home: float = assume(
        5.35,
        "kW over two hours",
        "535 MW from 100,000 batteries, California 29 July 2025 (Brattle)",
        gt=0,
        le=50,
    )


class Sites(Table):
    """Fast-charging sites."""

    session_kwh: float = assume(
        35.0, "kWh", "Tesla Q2 2025: 1.6 TWh in 45 million sessions", gt=1, le=200
    )
    stall_kw: float = assume(
        72.0, "kW mean while charging", "[A] 35 kWh in half an hour", gt=5, le=1000
    )
    patience_min: float = assume(15.0, "min before half turn away", OURS, gt=0, le=600)
    sessions_a_car: float = assume(
        23.5,
        "fast charges a year here, first make, 2025",
        "[A] so that a stall gives about 245 kWh a day in 2025",
        gt=0,
        le=400,
    )
    others_use: float = assume(
        0.4, "of that for cars of other makes", "[A] they have other networks too", ge=0, le=2
    )
    car_growth: float = assume(
        -0.02, "growth of sessions a car, a year", "[A] other networks grow", ge=-0.5, le=1
    )
    stalls: ByYear = assume(
        {2022: 1500, 2023: 2000, 2024: 2400, 2025: 2900, 2026: 3400, 2030: 5400},
        "stalls in the market, end of year",
        "supercharge.info export, Texas; later [A]",
    )
    stalls_a_site: int = assume(13, "stalls", "supercharge.info export, Texas mean", ge=1, le=500)
    own_battery_kwh: float = assume(400.0, "kWh a site", OURS, ge=0, le=100_000)
    demand_charge_usd_per_kw: float = assume(
        12.0, "USD per kW and month", "[A] Texas TDU secondary > 10 kW", ge=0, le=100
    )
    contract_usd_per_kwh: float = assume(0.075, "USD/kWh energy by contract", OURS, ge=0, le=1)
    retail_usd_per_kwh: float = assume(
        0.40, "USD/kWh that drivers pay, first year", "[A] US Supercharger average 2024", gt=0, le=3
    )
    reckoned_usd_per_kwh: float = assume(
        0.09, "USD/kWh that the first price reckons with for energy and demand", OURS, ge=0, le=2
    )
    elasticity: float = assume(
        -0.4,
        "of sessions to the driver's price",
        "[A] petrol's long-run is -0.3 to -0.8",
        ge=-3,
        le=0,
    )
    pass_on: float = assume(
        0.5, "of a change in energy cost that reaches drivers", OURS, ge=0, le=1
    )


class DataCentre(Table):
    """The training cluster; exaflops turn into tiles (120 of 15 kW make 1.08)."""

    history: str = assume(
        "as it came", "'none', 'as announced' or 'as it came'", "both are always compared"
    )
    pue: float = assume(1.25, "facility power over computing power", OURS, ge=1, le=3)
    pause_usd_per_mwh: float = assume(
        120.0, "USD/MWh above which training pauses", "the demo's data centre", gt=0, le=20_000
    )
    base: float = assume(0.1, "share that always runs", "the demo's data centre", ge=0, le=1)
    ramp: float = assume(0.25, "of full power a quarter-hour", "the demo's data centre", gt=0, le=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.history not in ("none", "as announced", "as it came"):
            raise ValueError("history is 'none', 'as announced' or 'as it came'")
        return self


class Switches(Table):
    """Each turns one part of the story off."""

    price_response: bool = assume(True, "storage moves prices", "off: every home is a price taker")
    scarcity: bool = assume(
        True, "prices rise to the cap when reserves run short", "off: fuel cost only"
    )
    grid_batteries: bool = assume(True, "large batteries trade too", "off: homes alone")
    hardware_learning: bool = assume(
        True, "more homes make batteries cheaper", "off: cost follows time only"
    )
    retail_feedback: bool = assume(
        True, "purchase cost reaches next year's tariff", "off: tariff stays"
    )
    credits: bool = assume(True, "programmes pay owners", "off: none")
    imitation: bool = assume(True, "neighbours are copied", "off: q = 0")
    charging: bool = assume(True, "charging sites buy here", "off: none")
    nacs: bool = assume(True, "other makers' cars may come", "off: the first make only")
    night_plan: bool = assume(
        True, "the night plan is sold", "off: those homes are on the flat tariff"
    )
    data_centre: bool = assume(True, "the cluster buys here", "off: none")


class Scenario(BaseModel):
    """All assumptions of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    market: Market = Market()
    homes: Homes = Homes()
    adoption: Adoption = Adoption()
    hardware: Hardware = Hardware()
    retail: Retail = Retail()
    night_plan: NightPlan = NightPlan()
    credits: Credits = Credits()
    sites: Sites = Sites()
    data_centre: DataCentre = DataCentre()
    switches: Switches = Switches()


def in_year(by_year: ByYear, year: int) -> float:
    """Linear between the years named, flat beyond them."""
    years = sorted(by_year)
    if year <= years[0]:
        return by_year[years[0]]
    for early, late in pairwise(years):
        if year <= late:
            part = (year - early) / (late - early)
            return by_year[early] + part * (by_year[late] - by_year[early])
    return by_year[years[-1]]
