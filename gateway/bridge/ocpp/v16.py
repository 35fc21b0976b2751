"""OCPP 1.6J."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.bridge.ocpp.charger import Charger
from gateway.bridge.ocpp.dialect import (
    DEFAULT_ID,
    SAMPLE_S,
    Payload,
    Request,
    UnknownAction,
    handler,
    held,
    number,
    ours,
    schedule,
)
from gateway.bridge.ocpp.metering import samples, time_of

_STATES = {
    "Available": "idle", "Reserved": "idle", "Preparing": "plugged", "SuspendedEV": "plugged", "SuspendedEVSE": "plugged",
    "Finishing": "plugged", "Charging": "charging", "Faulted": "error", "Unavailable": "error",
}  # fmt: skip
_MEASURED = "Power.Active.Import,Energy.Active.Import.Register"
_SWITCHES, _PERIODS = "ConnectorSwitch3to1PhaseSupported", "ChargingScheduleMaxPeriods"
_HEARTBEAT_S = 60


class V16:
    """See `gateway.bridge.ocpp.dialect.Dialect`."""

    version, subprotocol = "1.6", "ocpp1.6"

    def answer(self, charger: Charger, action: str, told: Mapping[str, Any]) -> Payload:
        found = getattr(self, handler(action), None)
        if found is None:
            raise UnknownAction(action)
        answer: Payload = found(charger, told)
        return answer

    def heard_of_operator(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        named = answer.get("transactionId")
        if action == "StartTransaction" and isinstance(named, int) and charger.transaction:
            charger.transaction.id = named
            charger.changes += 1

    def greetings(self, charger: Charger) -> list[Request]:
        settings = {"MeterValueSampleInterval": str(SAMPLE_S), "MeterValuesSampledData": _MEASURED}
        asked: list[Request] = [
            ("ChangeConfiguration", {"key": key, "value": value}) for key, value in settings.items()
        ]
        asked.append(("GetConfiguration", {"key": [_SWITCHES, _PERIODS]}))
        if charger.unknown:
            asked.append(("TriggerMessage", {"requestedMessage": "BootNotification"}))
        return [*asked, ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})]  # fmt: skip

    def told(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        if action == "GetConfiguration":
            told = {one["key"]: one.get("value", "") for one in answer.get("configurationKey", ())}
            charger.switches_phases = str(told.get(_SWITCHES)).lower() == "true"
            charger.one_period = str(told.get(_PERIODS)).strip() == "1"

    def safe(self, charger: Charger) -> Request:
        return _profile(DEFAULT_ID, 0, "TxDefaultProfile", "Relative", schedule(charger.safe_a))

    def limit(self, charger: Charger, amps: float, seconds: int, now: datetime) -> list[Request]:
        if charger.transaction is None:
            return []
        requests = []
        for which, level, each in held(charger, amps, seconds, now):
            name, payload = _profile(which, level, "TxProfile", "Absolute", each)
            payload["csChargingProfiles"]["transactionId"] = charger.transaction.id
            requests.append((name, payload))
        return requests

    def clear(self, charger: Charger) -> list[Request]:
        return [("ClearChargingProfile", {"id": which}) for which in ours(charger)]

    def start(self, charger: Charger) -> Request:
        return "RemoteStartTransaction", {"connectorId": 1, "idTag": _tag(charger)}

    def _on_boot_notification(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        charger.booted(told)
        return {"status": "Accepted", "currentTime": _now(charger), "interval": _HEARTBEAT_S}

    def _on_heartbeat(self, charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {"currentTime": _now(charger)}

    def _on_status_notification(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        if told["connectorId"] == 1 or told["status"] == "Faulted":
            charger.says_the_time(time_of(told.get("timestamp", "")))
            charger.is_in(_STATES[told["status"]])
        return {}

    def _on_authorize(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        return {"idTagInfo": {"status": _may(charger, told["idTag"])}}

    def _on_start_transaction(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        """The same start told twice is one transaction: a charger that did not hear our answer says it again."""
        at, wh = time_of(told["timestamp"]), number(told["meterStart"])
        number_of = (int(charger.clock.now().timestamp() * 10) + charger.changes) % 0x7FFFFFFF
        charger.changes += 1
        key = (
            f"start {told['connectorId']} {told['timestamp']} {told['meterStart']} {told['idTag']}"
        )
        status = _may(charger, told["idTag"])
        answer = charger.once(key, {"transactionId": number_of, "idTagInfo": {"status": status}})
        if status == "Accepted" and not charger.is_late(at) and told["connectorId"] == 1:
            charger.counted(wh)
            charger.began(answer["transactionId"], wh)
        return answer

    def _on_stop_transaction(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        at = time_of(told["timestamp"])
        charger.ended(told["transactionId"], number(told["meterStop"]), at)
        return {"idTagInfo": {"status": "Accepted"}} if "idTag" in told else {}

    def _on_meter_values(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        if told["connectorId"] > 1:
            return {}
        for value in told["meterValue"]:
            at = time_of(value["timestamp"])
            if "transactionId" in told and not charger.is_late(at):
                charger.began(told["transactionId"], None)  # also one that began before we did
            charger.measured(samples(value["sampledValue"]), at)
        return {}

    def _on_data_transfer(self, _charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {"status": "UnknownVendorId"}

    def _nothing(self, _charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {}

    _on_firmware_status_notification = _on_diagnostics_status_notification = _nothing
    _on_security_event_notification = _on_log_status_notification = _nothing


def _profile(which: int, level: int, purpose: str, kind: str, held: Payload) -> Request:
    return "SetChargingProfile", {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": which,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": held,
        },
    }


def _tag(charger: Charger) -> str:
    return charger.id_tags[0] if charger.id_tags else "HOME"


def _may(charger: Charger, tag: str) -> str:
    return "Accepted" if charger.knows(tag) or tag == _tag(charger) else "Invalid"


def _now(charger: Charger) -> str:
    return charger.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
