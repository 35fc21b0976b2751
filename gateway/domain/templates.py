"""The English of every sentence that the gateway tells people, by its code: `gateway.domain.sentences`.

A code's first part, up to a dot, is what it is about; the rest tells ways of saying it apart. Where it arises is
named beside each group. The catalogues of `gateway.languages` have the English as their key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ALARMS = {
    # the guard: gateway.site, gateway.guard, gateway.devices
    "limit_not_kept": "the {what} limit of {limit} W is not kept: {more} W more for {seconds} s, whatever is asked of the devices; look at what they do with their limits and at the meter",
    "limit_not_kept.alone": "the {what} limit of {limit} W is not kept: {more} W more for {seconds} s, though cars wait and batteries give their most: the rest is the house's own",
    "off_grid": "the grid is away and the home lives on its own: what is stored is left to the house, no car is charged, nothing is delivered and nothing is offered",
    "meter_stands_still": "the grid meter has said {power} for minutes while the home changed: it stands still, and nothing is steered by it until it says something else",
    "operator_silent": "the grid operator's {direction} limit ({name}): {limit}, the fail-safe value, for {why}",
    "operator_limit": "the grid operator's {direction} limit ({name}): {limit}",
    "operator_limit.until": "{limit} until {time}",
    "operator_limit.noted": "{limit}; {note}",
    "operator_limit.floored": "{asked} W were asked for, {least} W are guaranteed",
    "programme_limit": "the programme's {direction} limit ({name}): {limit}",
    "not_proved": "the gateway reads it but does not steer {what}: run `energy-gateway verify {device}` once, which lets it prove in some minutes that it obeys; until then it works by itself",
    "not_proved.why": "{what} ({why})",
    "not_proved.nor": "{what}; nor {next}",
    "not_proved.firmware": "its firmware is {now}, proved was {was}",
    "not_proved.failed": "verify failed on {time}: {why}",
    "unproved": 'unproved, by the owner\'s steer = "always": {what}',
    "another_controller": "another controller steers it ({what} while we only watched); nothing is released or steered until it has written nothing for {minutes} minutes; end one of the two",
    "another_controller.set": "{control} is set, and not by this gateway (register {register} reads {word}); it is watched for {seconds} s before it is released: if another gateway or controller steers this device, end one of the two",
    "another_controller.too": "another controller steers {what} too, so it is left to it for some minutes: end one of the two",
    "another_controller.changed": "register {register} changed from {was} to {now}",
    # the agent: gateway.agent, gateway.config.plausible, gateway.feeds
    "import_price_missing": "what a kWh from the grid costs is not stated: nothing is planned, bought or sold until gateway.toml says it, e.g. {example}",
    "tariff_doubted": 'the tariff is not followed: {why} (tariff.accept = ["{name}"] takes it as it stands)',
    "price_doubted": "{price} a kWh cannot be ({usual} is usual): is it per MWh, in cents, or in another currency?",
    "price_doubted.small": "at most {price} a kWh ({usual} is usual): is it per kWh already?",
    "price_doubted.more": "{price} a kWh, {times} times more than before ({then}): has its unit changed?",
    "price_doubted.less": "{price} a kWh, {times} times less than before ({then}): has its unit changed?",
    "price_doubted.co2": "{grams} g of CO2 a kWh cannot be",
    "price_doubted.accept": "{why} (accept = true in its table takes it as it stands)",
    "feed_late": "price feed {name} is late",
    "feed_late.why": "price feed {name} is late: {why}",
    "feed_late.now": "price feed {name} is late, it has no price for now",
    "feed_late.now_why": "price feed {name} is late, it has no price for now: {why}",
    "feed_late.ends": "price feed {name} is late, its prices end {time}",
    "feed_late.ends_why": "price feed {name} is late, its prices end {time}: {why}",
    "no_import_price": "the exchange publishes no import price for now: planned by {source}",
    "trading_paused": "trading pauses until {time}: too much of what the exchange says is disputed (energy-gateway statement lists it)",
    "journal_broken": "{what}; nothing is traded (docs/operations.md tells what to do)",
    "journal_broken.chain": "{file}: the chain breaks at row {row}",
    "journal_not_written": "{what}; nothing is traded until it can be written",
    "programme_refused": "the programme is not followed: {why}",
    "programme_silent": "the programme's server is not heard since {time}: {why}",
}  # fmt: skip
_NOTES = {
    # the plan: gateway.planner, gateway.forecasts, gateway.agent
    "car_late": "the car cannot be ready by {time}: at most {least} of {wanted} Wh can be charged until then",
    "car_no_room": "the car cannot be charged: its charger begins with {least} W, and the import limit leaves {most} W at most; if the car or the box uses one phase, say car.phases = 1",
    "water_late": "the water of {name} cannot be warm by {time}: at most {least} of {wanted} Wh can be heated until then",
    "unpublished": "{what} price from {start} to {end} is not published: planned by {source}",
    "guess.house": "the house's need is a guess until a day was measured: {count} kWh a year (household.yearly_kwh says it better)",
    "guess.own_house": "the house's need is your own figure until a day was measured: {count} kWh a year",
    "guess.sun": "the sun is a guess until a day was measured: {size} kW of panels (household.panels_w says it better)",
    "guess.own_sun": "the sun is reckoned from your figure until a day was measured: {size} kW of panels",
    "battery_not_stated": "no device states the battery's size and power: set battery.capacity_wh and battery.max_charge_w; until then its energy is neither planned nor sold",
    "first_days": "first days: nothing is offered and no price steers the battery, your limits and settings alone; the plan is only compared with what the inverter does by itself",
    "other_forecasts": "forecasts since {day}: {what}, which would have earned {money} a day more over the last {count} days",
    # messages to a phone: gateway.agent.notices
    "day.sold": "{day}: sold {energy}, {money}",
    "day.bill": "{day}: bill {bill}, saved {saved}",
    "day.both": "{day}: sold {energy}, {money}; bill {bill}, saved {saved}",
    "version": "the gateway is version {now} now; it was {before}",
    "enough_messages": "{count} messages were sent today; the rest stands on the page",
}  # fmt: skip
_DECISIONS = {
    # why the battery does what it does: gateway.agent.why
    "decided.sold": "the battery delivers the {energy} Wh sold for {time}",
    "decided.bought": "the battery delivers the {energy} Wh bought for {time}",
    "decided.reserve": "the battery is at its backup reserve of {pct} % and gives no more",
    "decided.reserve_house": "the battery is at its backup reserve of {pct} %; the house is served by the grid",
    "decided.full": "the battery is full; the surplus goes to the grid",
    "decided.keeps": "the battery keeps {energy}: a kWh saves {now} now, kept it will save {given}",
    "decided.leaves": "the battery leaves the surplus to the grid: a kWh brings {now}, stored it is worth {taken}",
    "decided.buys": "the battery charges: a kWh costs {now}, stored it is worth {taken}",
    "decided.charges": "the battery charges: a kWh would bring {now}, stored it is worth {taken}",
    "decided.saves": "the battery gives: a kWh is worth {now} now, kept {given}",
    "decided.gives": "the battery gives: a kWh brings {now} now, kept it is worth {given}",
    "decided.serves": "the battery serves the house: a kWh saves {now} now, kept it is worth {given}",
    "decided.stores": "the battery stores the surplus: a kWh would bring {now}, stored it is worth {taken}",
    "decided.most": "{price} (most at {time})",
    "decided.estimate": "{price} ({source})",
    # and chargers their phases: gateway.agent.why_phases
    "phases.little": "charges from 1 phase ({one}): its car is to get less than the {least} that {all} phases take at least",
    "phases.much": "charges from {all} phases: its car is to get more than the {most} that 1 phase takes at most",
    "phases.urgent": "charges from {all} phases: its car is to charge as fast as it can",
}  # fmt: skip
_REFUSALS = {
    # commands: gateway.publishing.commands, gateway.domain.setting_kinds, gateway.agent.command_handler
    "refused.retained": "a retained message is never a command; publish it without retain",
    "refused.too_large": "a command has at most {count} bytes",
    "refused.unknown": "{name} is no command; there are {what}",
    "refused.no_time": "ts: Field required",
    "refused.value": "{why}; {name} takes {what}",
    "refused.late": "it was valid for {seconds} s and is {age} s old",
    "refused.early": "its time is {seconds} s ahead of ours; set the sender's clock",
    "refused.of_key": "{key}: {why}",
    "refused.number": "should be a number",
    "refused.range": "should be a number from {least} to {most}",
    "refused.decimals": "should have at most {count} decimals",
    "refused.switch": "should be true, false, 'on' or 'off'",
    "refused.choice": "should be {what}",
    "refused.time": "should be a time of day, 00:00 to 23:59",
    "refused.days": "should be days of the week, e.g. 'mon,tue,wed,thu,fri'",
    "refused.departures": "should be a list of at most {count} departures",
    "refused.departure": 'each should be {"at": "2026-06-01T07:30+02:00", "energy_wh": 20000}',
    "refused.moment": "should be a time such as 2026-06-01T07:30+02:00",
    "refused.zone": "should have its zone, such as Z or +02:00",
    "refused.calendar": "is beyond all calendars",
    "refused.object": "should be an object",
    "refused.no_key": "{key} is no key of it",
    "refused.heartbeat": "a heartbeat is true",
    "refused.limit": "should be an object with limit_w, and duration_s if it ends by itself",
    "refused.operator_only": "that is the grid operator's word; it comes over MQTT or by a relay",
    "refused.busy": "too many commands at once; send it again in a minute",
    "refused.interrupted": "it was interrupted and may have been carried out; send it with a new id",
    "refused.timeout": "no read-back within {seconds} s; look at the device",
    # gateway.agent.steering, gateway.agent.operator_steering
    "refused.no_exchange": "no exchange is configured; add [market] to gateway.toml",
    "refused.no_programme": "the home is in no programme; add [programme] to gateway.toml",
    "refused.no_operator": "no grid operator is configured; add [grid_operator] to gateway.toml",
    "refused.needs_end": "without heartbeats (grid_operator.heartbeat) a limit needs duration_s",
    "refused.connection": "the connection allows {limit} W (site.export_limit_w)",
    "refused.no_charger": "no charger answers",
    "refused.no_car": "no car is plugged in",
    "refused.no_device": "no device has answered yet; the setting is stored",
    "refused.not_taken": "the guard has not taken it yet; the setting is stored",
    "refused.limit_not_taken": "the guard has not taken it yet",
    "refused.no_battery": "the battery does not answer; the setting is stored",
    "refused.still_moves": "the battery still moves {power} W",
    # the page itself: gateway.dashboard.server
    "refused.not_json": "send application/json",
}  # fmt: skip
_PARTS = {
    "other": "{text}",
    "list.more": "{first}, {next}",
    "list.last": "{first} and {last}",
    "day_time.mon": "Mon {time}",
    "day_time.tue": "Tue {time}",
    "day_time.wed": "Wed {time}",
    "day_time.thu": "Thu {time}",
    "day_time.fri": "Fri {time}",
    "day_time.sat": "Sat {time}",
    "day_time.sun": "Sun {time}",
    "range": "{least} to {most}",
}
TEMPLATES: Mapping[str, str] = MappingProxyType(_ALARMS | _NOTES | _DECISIONS | _REFUSALS | _PARTS)
# What alarms are about: the code for programs. Where one stands within another, the first of these counts.
ALARM_CODES = (
    "limit_not_kept", "off_grid", "meter_stands_still", "import_price_missing", "tariff_doubted", "price_doubted", "feed_late", "no_import_price",
    "trading_paused", "journal_broken", "journal_not_written", "operator_silent", "operator_limit", "programme_limit",
    "programme_refused", "programme_silent", "not_proved", "another_controller",
)  # fmt: skip
