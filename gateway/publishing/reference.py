"""docs/mqtt.md, made from the tables that publish: ``python -m gateway.publishing.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from gateway.domain.command_specs import COMMANDS
from gateway.domain.metrics import METRICS
from gateway.domain.operator_commands import OPERATOR_COMMANDS
from gateway.domain.user_settings import SETTINGS
from gateway.publishing.commands import MAX_BYTES, MAX_SKEW, MAX_TTL_S
from gateway.publishing.topics import FORECAST_SCALARS, MARKET_SCALARS, SITE_SCALARS

_ABOUT = """\
# MQTT

Made from the code by `python -m gateway.publishing.reference`; a test keeps it true.

Everything stands under `<root>/<site>`: `mqtt.root` and `site.name` of the configuration, `energy/home` by
default. Signs: grid import +, battery discharge +, PV production +, load consumption +. Times are UTC.

## How to read it

- What is measured is retained: a new subscriber sees the home at once.
- A value that is not known now is the text `null` (and JSON `null` in `/state`), never an old number and never an
  empty payload. It is `null` while its device does not answer, while it cannot be, and while a sum misses a part. A
  price that nobody has published yet is `null` too; what is planned with meanwhile is a topic of its own.
- `<root>/<site>/status` is `online` or `offline`; the broker says `offline` by itself when the gateway vanishes. What is
  retained is old then. `<device>/availability` says the same of one device; both must be `online`.
- Scalars are sent when they change. After the broker was away, all of them are sent before `status` says `online`.
- At its start the gateway clears what a previous run left retained here and what is no longer kept up to date
  (a device that was removed or does not answer yet). Commands of others are left alone.
- `ledger/event` is not retained. Each row of the account is sent until the broker has acknowledged it, in order. After a
  crash or a lost connection rows may come again, with the same `id`: drop an `id` that you have seen.

| Topic | Payload | QoS | Retained |
|---|---|---|---|
| `status` | `online` or `offline` (will) | 1 | yes |
| `info` | JSON: `version`, `schema`, `devices` | 1 | yes |
| `<device>/<metric>` | scalar, see below | 0 | yes |
| `<device>/state` | JSON: `ts`, every metric, `quality` (`good`, `stale`, `bad`), `faults` {metric: quality} and `notes` (sentences: what is withheld from steering and why) if any | 1 | yes |
| `<device>/availability` | `online` or `offline` | 1 | yes |
| `site/<name>` | scalar: the sums of the home | 0 | yes |
| `site/state` | JSON: `ts` and all of them | 1 | yes |
| `market/<name>` | scalar: position, prices, account | 0 | yes |
| `market/state` | JSON: `ts`, `currency` and all of them | 1 | yes |
| `decision` | JSON: why the battery does what it does: `since`, `reason` (the rule), `sentence` (the prices that were weighed) | 1 | yes |
| `phases` | JSON: `chargers`: why each that was switched between one and all phases uses those that it uses: `phases`, `since`, `reason`, `sentence` | 1 | yes |
| `plan` | JSON: `ts`, `strategy`, `notes` (sentences), `assumed` (what is planned with where nothing is known: prices that are not published yet, a home's first day) | 1 | yes |
| `plan/schedule` | JSON: `ts`, `currency`, `quarters`: each with `start`, `pv_wh`, `load_wh`, `grid_wh`, `battery_wh`, `car_wh`, `heat_wh` (of heaters, beside `load_wh`), `soc_pct` at its end, `import_price`, `export_price` a kWh and whether they are `..._known` or an estimate | 1 | yes |
| `forecast/pv`, `load`, `grid`, `battery`, `car` | JSON: `ts`, `unit` (Wh), `next_hour`, `remaining_today` (to local midnight), `hours` of `start` and `value` | 1 | yes |
| `forecast/heat` | JSON: the same of all heaters, and `heaters` by name: `quarters` in which it will heat until `ready_by` (each with `start`, `power_w`, and at its end `temperature_c` if nobody draws water, or of one without a thermometer the `energy_wh` since the last time), and the same at `ready_by` | 1 | yes |
| `forecast/import_price`, `export_price` | JSON: the same with `unit` (a kWh) and `known_until`: after it they are estimates; no `remaining_today` | 1 | yes |
| `setpoints` | JSON: what is asked of the devices now: `battery_w` (all), `batteries_w`, `chargers_a`, `charger_phases`, `pv_limits_w` by device, `export_limit_w`, `reason` (the rule), `heaters_w`, `sg_ready` and `heat_reasons` by heater; null: nothing is asked | 1 | yes |
| `forecast/<name>` | scalar: how good the forecasts of the last day were | 0 | yes |
| `settings/<name>` | scalar: what now holds of the commands | 0 | yes |
| `alarms` | JSON: `count`, `alarms` (sentences in `mqtt.language`; what a person should look at now), `codes` (what each is about, for programs) | 1 | yes |
| `event` | JSON: `event_type`, and what belongs to it; `command_refused`: `command`, `code`, `message` | 1 | no |
| `ledger/event` | JSON: `id`, `seq`, `ts`, `kind`, `body` | 1 | no |
| `cmd/<name>` | to the gateway: a command | 1 | **never** |
| `cmd/<name>/result` | JSON: `id`, `status`, `code`, `message`, `applied` | 1 | no |
| `cmd/echo` | the gateway's word to itself, once a minute: so it notices when a broker's access rules no longer let it speak or hear | 1 | no |
| `<discovery_prefix>/device/energy_gateway_<site>_<part>/config` | Home Assistant discovery | 1 | yes |
"""

_LEDGER = """\
## Ledger events

Energy is integer Wh, prices are ticks (0.01 currency units per MWh), money is integer 1e-8 currency units; so
`price_ticks` x `quantity_wh` is money without rounding. Kinds: `tender` (stored before it is sent), `answer`, `cancel`,
`cancelled`, `transaction` (a fill), `metered`, `delivered` (reported to the exchange), `settlement`, `retail_price` (what a price feed published for a metered interval, exact per kWh), `note` (alarms and
commands, for people).
"""

_COMMANDS = f"""\
## Commands

    topic    energy/home/cmd/backup_reserve_pct
    payload  {{"id": "a1", "ts": "2026-06-01T12:00:00Z", "ttl_s": 60, "value": 35}}
    answer   {{"id": "a1", "status": "ok", "code": "", "message": "", "applied": 35.0}}   on .../result

- `id`: 1 to 64 letters, digits, `.`, `_`, `:`, `-`. The same id within 24 hours is answered again and not done again.
- `ts`: when it was made, with a time zone; at most {MAX_SKEW.total_seconds():.0f} s ahead of the gateway's clock.
- `ttl_s`: how long it holds, more than 0, at most {MAX_TTL_S}; 60 if left out.
- At most {MAX_BYTES} bytes. Never retained: a retained command is refused. (MQTT 3.1.1 does not say of what comes while
  the gateway listens whether it is retained: it is done then, once, and refused from the next start on; with
  `mqtt.protocol = "5"` it is refused at once.)
- Commands do not wait for each other: each is applied at once, and answered after its read-back.
- `ok` comes after the device was read back, and `applied` is what it said. Limits (fuse, grid operator, reserve) stay
  above every command.
"""

_OPERATOR = """\
The grid operator's commands need a table [grid_operator] in gateway.toml, and rank above all others: no setting widens
what they limit. Let the broker's access list allow these topics to the control box alone:
"""

_CODES = """\
| status | code | meaning |
|---|---|---|
| `ok` | | done and read back |
| `expired` | `expired` | older than `ttl_s` |
| `rejected` | `retained` | it was retained |
| `rejected` | `too_large` | more bytes than allowed |
| `rejected` | `unknown_command` | no such name; the message lists them |
| `rejected` | `malformed` | no JSON of the form above; the message names the field |
| `rejected` | `future` | `ts` is ahead of the gateway's clock |
| `rejected` | `out_of_range` | the message says what is allowed |
| `rejected` | `busy` | too many commands at once (30, and one more every two seconds; limit and hold count apart) |
| `error` | `device` | the device refused or is lost |
| `error` | `not_possible` | the home cannot do it now (no car, no exchange, beyond the connection's limit) |
| `error` | `not_seen` | the setting is stored, but no device has answered yet |
| `error` | `no_effect` | the setting is stored, but the read-back does not show it |
| `error` | `timeout` | no read-back in time; look at the device |
| `error` | `storage` | nothing can be stored; the command was not done |
| `error` | `interrupted` | the gateway ended in the middle of it; send it with a new id |
"""

# Home Assistant's Energy dashboard: the place there, the entity's device and metric, and of the grid the price.
ENERGY_DASHBOARD = (
    ("Grid consumption", "meter", "grid_import_wh", "import_price_per_kwh"),
    ("Return to grid", "meter", "grid_export_wh", "export_price_per_kwh"),
    ("Solar production", "inverter", "pv_energy_wh", ""),
    ("Battery, energy out", "inverter", "battery_discharge_wh", ""),
    ("Battery, energy in", "inverter", "battery_charge_wh", ""),
    ("Individual device", "charger", "charger_energy_wh", ""),
)

_HOME_ASSISTANT = """\
## Home Assistant

With `mqtt.home_assistant = true` (the default) devices and entities appear by themselves: the gateway, every inverter,
battery, meter and charger, and the account at the exchange. Needs Home Assistant 2025.4 or later with its MQTT integration on
the same broker; from 2025.10 on the entities get the names of the table below by themselves, before it they are made from the titles (`sensor.meter_import`). A command that is refused is an event of 'Refused command', with the reason
as its attribute `message`, and the entity shows again what holds; mistakes of programs (`malformed`, `busy` and the like) are no event. Numbers, switches, the select and the departure time are the commands above;
a button ('Export limit: none') sets to none what a number cannot.

The Energy dashboard (Settings, Dashboards, Energy) of the site `home` with devices of these names takes:

"""

_SEEN = """
`tests/publishing/test_real_home_assistant.py` does all this in a real Home Assistant: it starts one on loopback, adds the broker, starts the demo's home, sets and is refused settings, enters this table and lets Home Assistant's own
`energy/validate` judge it when the first statistics are made. `HEG_HOME_ASSISTANT=PYTHON make file T=tests/publishing/test_real_home_assistant.py` runs it, where PYTHON has `homeassistant`, its frontend and `paho-mqtt` installed. Seen so in Home Assistant 2025.4.4 and 2026.2.3.

![The gateway of the demo's home as a device in Home Assistant 2026.2.3](pictures/home-assistant.png)
"""


def document() -> str:
    """The text of docs/mqtt.md."""
    metrics = [(f"`<device>/{m.name}`", m.unit, m.about) for m in METRICS.values()]
    site = [(f"`site/{n}`", unit, about) for n, (_, unit, about) in SITE_SCALARS.items()]
    market = [(f"`market/{n}`", unit, about) for n, (unit, about) in MARKET_SCALARS.items()]
    forecast = [(f"`forecast/{n}`", unit, what) for n, (unit, what) in FORECAST_SCALARS.items()]
    settings = [
        (f"`settings/{s.name}`", s.kind.unit, f"{s.kind.looks}: {s.about}".removeprefix(": "))
        for s in SETTINGS.values()
    ]
    commands = [(f"`cmd/{n}`", f"`{s.allowed}`", s.unit, s.about) for n, s in COMMANDS.items()]
    operator = [(f"`cmd/{n}`", f"`{s.allowed}`", s.about) for n, s in OPERATOR_COMMANDS.items()]
    head = ("Topic", "Unit", "What it is")
    parts = [
        _ABOUT,
        "## Scalars\n\n" + _table(head, [*metrics, *site, *market, *forecast, *settings]),
        _LEDGER,
        _COMMANDS,
        _table(("Topic", "Value", "Unit", "What it does"), commands),
        _OPERATOR,
        _table(("Topic", "Value", "What it says"), operator),
        _CODES,
        _HOME_ASSISTANT + _table(("Place", "Entity", "Its price"), _energy_dashboard()) + _SEEN,
    ]
    return "\n".join(parts)


def _energy_dashboard() -> Iterable[Sequence[str]]:
    for place, device, metric, price in ENERGY_DASHBOARD:
        known = METRICS[metric]
        shown = f"`sensor.home_{device}_{metric}` ({known.title})"
        yield place, shown, f"`sensor.home_market_{price}`" if price else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(c.replace("|", "or") for c in row) + " |\n" for row in lines)


if __name__ == "__main__":
    sys.stdout.write(document())
