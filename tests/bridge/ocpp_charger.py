"""A charger that dials in: the client side of the library ``ocpp`` over a real WebSocket, with a car and faults.

It does what its profiles say by its own clock: a transaction's own profile while that holds, else the default, else all it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from ocpp import v16, v201
from ocpp.routing import after, on

MOST_A = 32.0
WHO = {"VendorName": "Acme", "Model": "Wall 11", "SerialNumber": "A-1234", "FirmwareVersion": "1.2.3"}  # fmt: skip
PASSWORD = "a long password of 16"


@dataclass
class Plug:
    """The charger itself, whatever it speaks: its profiles, its car, its counter."""

    now: Callable[[], datetime]
    off: timedelta = timedelta()
    takes_profiles: bool = True
    says_who: bool = True  # it answers who it is, also between two starts
    switches: bool = False  # it says that it changes from three phases to one
    takes_one: bool = True  # and does so
    most_periods: int = 0  # of a schedule; 0: it does not say, and takes any
    car_phases: int = 3
    drawn: tuple[float, int] = (0.0, 3)  # A and phases, as it measured last
    under_load: list[tuple[float, int]] = field(
        default_factory=list
    )  # what was switched while the car drew
    profiles: dict[int, dict[str, Any]] = field(default_factory=dict)
    cleared: list[int] = field(default_factory=list)
    transaction: Any = None
    started: list[Any] = field(default_factory=list)
    energy_wh: float = 1000.0
    sampled: dict[str, str] = field(default_factory=dict)

    def clock(self) -> datetime:
        return self.now() + self.off

    def stamp(self, back_s: float = 0) -> str:
        return (self.clock() - timedelta(seconds=back_s)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def amps(self) -> float:
        """What the car may take now."""
        return self.offered[0]

    @property
    def offered(self) -> tuple[float, int]:
        """A of each phase, and how many phases; a period that names none means three."""
        found = sorted(
            (p for p in self.profiles.values() if self._holds(p)),
            key=lambda p: (p["purpose"] == "TxProfile", p["level"]),  # the last one holds
        )
        if not found:
            return MOST_A, 3
        since_s = 0.0
        if found[-1]["start"] is not None:
            begins = datetime.fromisoformat(found[-1]["start"]).astimezone(UTC)
            since_s = (self.clock() - begins).total_seconds()
        period = [p for p in found[-1]["periods"] if p["start_period"] <= since_s][-1]
        return min(MOST_A, float(period["limit"])), period.get("number_phases", 3)

    def draw(self) -> list[float]:
        """W of each phase that the car takes now. What is switched while it draws is kept."""
        amps, phases = self.offered
        before_a, before = self.drawn
        if before_a >= 6 and amps >= 6 and phases != before:
            self.under_load.append((before_a, before))
        self.drawn = (amps, phases)
        taken = 230 * min(amps, 16.0) if amps >= 6 else 0.0
        return [taken if n < min(phases, self.car_phases) else 0.0 for n in range(3)]

    def _holds(self, profile: dict[str, Any]) -> bool:
        if profile["purpose"] == "TxProfile" and profile["transaction"] != self.transaction:
            return False
        if profile["duration"] is None:
            return True
        begins = datetime.fromisoformat(profile["start"]).astimezone(UTC)
        return begins <= self.clock() < begins + timedelta(seconds=profile["duration"])

    def take(self, which: int, profile: dict[str, Any], schedule: dict[str, Any]) -> str:
        """As both versions tell it, in the library's words."""
        if not self.takes_profiles:
            return "Rejected"
        assert schedule["charging_rate_unit"] == "A"
        periods = schedule["charging_schedule_period"]
        one = any("number_phases" in p for p in periods)
        assert self.switches or not one, "it never said that it can"
        if self.most_periods and len(periods) > self.most_periods:
            return "Rejected"
        level = (profile["charging_profile_purpose"], profile["stack_level"])
        same = [
            i
            for i, p in self.profiles.items()
            if i != which and (p["purpose"], p["level"]) == level
        ]
        assert not same, "two profiles of a kind at one level: the standard replaces the first"
        if one and not self.takes_one:
            return "Rejected"
        self.profiles[which] = {
            "purpose": profile["charging_profile_purpose"],
            "level": profile["stack_level"],
            "transaction": profile.get("transaction_id"),
            "start": schedule.get("start_schedule"),
            "duration": schedule.get("duration"),
            "limit": float(periods[0]["limit"]),
            "periods": periods,
        }
        return "Accepted"

    def clear(self, which: int) -> str:
        self.cleared.append(which)
        return "Accepted" if self.profiles.pop(which, None) else "Unknown"


class Link:
    """A WebSocket as the library wants one. What is sent and comes is kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.came: list[str] = []

    async def recv(self) -> str:
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError("closed")
        self.came.append(message.data)
        return str(message.data)

    async def send(self, text: str) -> None:
        await self.socket.send_str(text)


class Charger16(v16.ChargePoint):  # type: ignore[misc]
    """OCPP 1.6."""

    subprotocol = "ocpp1.6"

    def __init__(self, name: str, link: Link, plug: Plug) -> None:
        super().__init__(name, link, response_timeout=60)
        self.link, self.plug = link, plug

    async def boot(self) -> Any:
        return await self.call(
            v16.call.BootNotification(
                charge_point_model="Wall 11", charge_point_vendor="Acme", charge_point_serial_number="A-1234", firmware_version="1.2.3"
            )
        )  # fmt: skip

    async def status(self, status: str) -> Any:
        told = v16.call.StatusNotification(
            connector_id=1, error_code="NoError", status=status, timestamp=self.plug.stamp()
        )
        return await self.call(told)

    async def begin(self, tag: str = "HOME", back_s: float = 0) -> Any:
        """Start a transaction and charge, if it may."""
        answer = await self.call(
            v16.call.StartTransaction(
                connector_id=1, id_tag=tag, meter_start=int(self.plug.energy_wh), timestamp=self.plug.stamp(back_s)
            )
        )  # fmt: skip
        if answer.id_tag_info["status"] == "Accepted" and not back_s:
            self.plug.transaction = answer.transaction_id
            await self.status("Charging")
        return answer

    async def meter(self, watts: object, back_s: float = 0, transaction: Any = None) -> Any:
        """``watts`` in all, or a list: of each phase."""
        each = watts if isinstance(watts, list) else [watts]
        powers = [
            {"value": str(w), "measurand": "Power.Active.Import", "unit": "W"}
            | ({"phase": f"L{n}"} if isinstance(watts, list) else {})
            for n, w in enumerate(each, 1)
        ]
        values = [
            *powers,
            {
                "value": f"{self.plug.energy_wh / 1000}",
                "measurand": "Energy.Active.Import.Register",
                "unit": "kWh",
            },
        ]
        told = v16.call.MeterValues(
            connector_id=1,
            transaction_id=transaction or self.plug.transaction,
            meter_value=[{"timestamp": self.plug.stamp(back_s), "sampled_value": values}],
        )
        return await self.call(told)

    async def end(self, transaction: Any = None, back_s: float = 0) -> Any:
        told = v16.call.StopTransaction(
            meter_stop=int(self.plug.energy_wh), timestamp=self.plug.stamp(back_s), transaction_id=transaction or self.plug.transaction
        )  # fmt: skip
        answer = await self.call(told)
        if transaction is None:
            self.plug.transaction = None
            await self.status("Finishing")
        return answer

    @on("ChangeConfiguration")  # type: ignore[untyped-decorator]
    def _configure(self, key: str, value: str) -> Any:
        self.plug.sampled[key] = value
        return v16.call_result.ChangeConfiguration("Accepted")

    @on("GetConfiguration")  # type: ignore[untyped-decorator]
    def _tell(self, key: list[str]) -> Any:
        known = {"ConnectorSwitch3to1PhaseSupported": "true"} if self.plug.switches else {}
        if self.plug.most_periods:
            known["ChargingScheduleMaxPeriods"] = str(self.plug.most_periods)
        told = [{"key": k, "readonly": True, "value": v} for k, v in known.items() if k in key]
        return v16.call_result.GetConfiguration(told, [k for k in key if k not in known])

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def _trigger(self, requested_message: str, **_: Any) -> Any:
        if requested_message != "BootNotification" or not self.plug.says_who:
            return v16.call_result.TriggerMessage("NotImplemented")
        return v16.call_result.TriggerMessage("Accepted")

    @after("TriggerMessage")  # type: ignore[untyped-decorator]
    async def _triggered(self, requested_message: str, **_: Any) -> None:
        if requested_message == "BootNotification" and self.plug.says_who:
            await self.boot()

    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def _remote(self, id_tag: str, **_: Any) -> Any:
        self.plug.started.append(id_tag)
        return v16.call_result.RemoteStartTransaction("Accepted")

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def _profile(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Any:
        assert connector_id == 1
        schedule = cs_charging_profiles["charging_schedule"]
        which = cs_charging_profiles["charging_profile_id"]
        return v16.call_result.SetChargingProfile(self.plug.take(which, cs_charging_profiles, schedule))  # fmt: skip

    @on("ClearChargingProfile")  # type: ignore[untyped-decorator]
    def _clear(self, id: int, **_: Any) -> Any:  # noqa: A002 - the standard's word
        return v16.call_result.ClearChargingProfile(self.plug.clear(id))

    @on("UnlockConnector")  # type: ignore[untyped-decorator]
    def _unlock(self, **_: Any) -> Any:
        return v16.call_result.UnlockConnector("Unlocked")


class Charger201(v201.ChargePoint):  # type: ignore[misc]
    """OCPP 2.0.1."""

    subprotocol = "ocpp2.0.1"

    def __init__(self, name: str, link: Link, plug: Plug) -> None:
        super().__init__(name, link, response_timeout=60)
        self.link, self.plug, self._sequence = link, plug, 0
        self.plug_name = "cTesla"

    async def boot(self) -> Any:
        station = {"model": "Wall 11", "vendor_name": "Acme", "serial_number": "A-1234", "firmware_version": "1.2.3"}  # fmt: skip
        return await self.call(
            v201.call.BootNotification(charging_station=station, reason="PowerUp")
        )

    async def status(self, status: str) -> Any:
        connector = {"Preparing": "Occupied", "Finishing": "Occupied"}.get(status, status)
        told = v201.call.StatusNotification(self.plug.stamp(), connector, 1, 1)
        return await self.call(told)

    async def begin(self, tag: str = "HOME", back_s: float = 0) -> Any:
        name = f"tx-{self._sequence}"
        answer = await self.event("Started", name, "Charging", back_s, token=tag)
        if answer.id_token_info["status"] == "Accepted" and not back_s:
            self.plug.transaction = name
        return answer

    async def event(self, kind: str, name: str, state: str, back_s: float = 0, token: str = "", values: Any = None) -> Any:  # fmt: skip
        self._sequence += 1
        told = v201.call.TransactionEvent(
            event_type=kind, timestamp=self.plug.stamp(back_s), trigger_reason="ChargingStateChanged", seq_no=self._sequence,
            transaction_info={"transaction_id": name, "charging_state": state}, evse={"id": 1, "connector_id": 1},
            id_token={"id_token": token, "type": "ISO14443"} if token else None,
            meter_value=values or [{"timestamp": self.plug.stamp(back_s), "sampled_value": [{"value": self.plug.energy_wh}]}],
        )  # fmt: skip
        return await self.call(told)

    async def meter(self, watts: object, back_s: float = 0, transaction: Any = None) -> Any:
        each = watts if isinstance(watts, list) else [watts]
        powers: list[dict[str, Any]] = [
            {"value": w, "measurand": "Power.Active.Import", "unit_of_measure": {"unit": "W"}}
            | ({"phase": f"L{n}"} if isinstance(watts, list) else {})
            for n, w in enumerate(each, 1)
        ]
        values = [
            *powers,
            {"value": self.plug.energy_wh / 1000, "measurand": "Energy.Active.Import.Register", "unit_of_measure": {"unit": "Wh", "multiplier": 3}},
        ]  # fmt: skip
        return await self.event(
            "Updated", transaction or self.plug.transaction, "Charging", back_s,
            values=[{"timestamp": self.plug.stamp(back_s), "sampled_value": values}],
        )  # fmt: skip

    async def end(self, transaction: Any = None, back_s: float = 0) -> Any:
        answer = await self.event(
            "Ended", transaction or self.plug.transaction, "EVConnected", back_s
        )
        if transaction is None:
            self.plug.transaction = None
        return answer

    @on("SetVariables")  # type: ignore[untyped-decorator]
    def _configure(self, set_variable_data: list[dict[str, Any]]) -> Any:
        results = []
        for one in set_variable_data:
            self.plug.sampled[one["variable"]["name"]] = one["attribute_value"]
            results.append({"attribute_status": "Accepted", "component": one["component"], "variable": one["variable"]})  # fmt: skip
        return v201.call_result.SetVariables(results)

    @on("GetVariables")  # type: ignore[untyped-decorator]
    def _tell(self, get_variable_data: list[dict[str, Any]]) -> Any:
        known = (
            {"ConnectorType": self.plug_name}
            | (WHO if self.plug.says_who else {})
            | ({"Phases3to1": "true"} if self.plug.switches else {})
            | (
                {"PeriodsPerSchedule": str(self.plug.most_periods)}
                if self.plug.most_periods
                else {}
            )
        )
        results = []
        for one in get_variable_data:
            value = known.get(one["variable"]["name"])
            status = "UnknownVariable" if value is None else "Accepted"
            told = {} if value is None else {"attribute_value": value}
            results.append({"attribute_status": status, "component": one["component"], "variable": one["variable"], **told})  # fmt: skip
        return v201.call_result.GetVariables(results)

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def _trigger(self, **_: Any) -> Any:
        return v201.call_result.TriggerMessage("NotImplemented")

    @on("RequestStartTransaction")  # type: ignore[untyped-decorator]
    def _remote(self, id_token: dict[str, Any], **_: Any) -> Any:
        self.plug.started.append(id_token["type"])
        return v201.call_result.RequestStartTransaction("Accepted")

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def _profile(self, evse_id: int, charging_profile: dict[str, Any]) -> Any:
        assert evse_id == 1
        schedule = charging_profile["charging_schedule"][0]
        return v201.call_result.SetChargingProfile(self.plug.take(charging_profile["id"], charging_profile, schedule))  # fmt: skip

    @on("ClearChargingProfile")  # type: ignore[untyped-decorator]
    def _clear(self, charging_profile_id: int, **_: Any) -> Any:
        return v201.call_result.ClearChargingProfile(self.plug.clear(charging_profile_id))


SPEAKS: dict[str, type[Charger16 | Charger201]] = {"1.6": Charger16, "2.0.1": Charger201}


@asynccontextmanager
async def dialling(
    port: int, version: str, plug: Plug, station: str = "box", ssl: Any = False
) -> AsyncIterator[Any]:  # fmt: skip
    """The charger, connected and booted not yet."""
    kind = SPEAKS[version]
    headers = {"Authorization": aiohttp.encode_basic_auth(station, PASSWORD)}
    scheme = "wss" if ssl else "ws"
    async with aiohttp.ClientSession(headers=headers) as http:
        url = f"{scheme}://127.0.0.1:{port}/ocpp/{station}"
        async with http.ws_connect(url, protocols=(kind.subprotocol,), ssl=ssl) as socket:
            charger = kind(station, Link(socket), plug)
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(_listen(charger))
                try:
                    yield charger
                finally:
                    listening.cancel()


async def _listen(charger: Any) -> None:
    with suppress(ConnectionError):
        await charger.start()
