"""OCPP 2.0.1."""

from __future__ import annotations

import logging
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
    ours,
    schedule,
)
from gateway.bridge.ocpp.metering import ENERGY, samples, time_of
from gateway.escape import printable

log = logging.getLogger(__name__)

_CONNECTOR = {"Available": "idle", "Reserved": "idle", "Occupied": "plugged", "Unavailable": "error", "Faulted": "error"}  # fmt: skip
_CHARGING = {"Charging": "charging", "EVConnected": "plugged", "SuspendedEV": "plugged", "SuspendedEVSE": "plugged", "Idle": "idle"}  # fmt: skip
_MEASURED = "Power.Active.Import,Energy.Active.Import.Register"
_SWITCHES, _PERIODS = "Phases3to1", "PeriodsPerSchedule"
_WHO = {  # of the component ChargingStation, as a BootNotification calls them
    "VendorName": "vendorName", "Model": "model", "SerialNumber": "serialNumber", "FirmwareVersion": "firmwareVersion",
}  # fmt: skip
_HEARTBEAT_S = 60
# How the standard names plugs (ConnectorEnumType and the code list of OCPP 2.1, where SAE J3400 got its own words)
PLUGS = {
    "cType1": "SAE J1772", "cType2": "IEC 62196-2 type 2", "sType2": "IEC 62196-2 type 2 socket", "cCCS1": "CCS 1", "cCCS2": "CCS 2",
    "cTesla": "NACS (SAE J3400)", "cNACS": "NACS (SAE J3400)", "cG105": "CHAdeMO",
}  # fmt: skip


class V201:
    """See `gateway.bridge.ocpp.dialect.Dialect`."""

    version, subprotocol = "2.0.1", "ocpp2.0.1"

    def __init__(self) -> None:
        self._starts = 0

    def answer(self, charger: Charger, action: str, told: Mapping[str, Any]) -> Payload:
        found = getattr(self, handler(action), None)
        if found is None:
            raise UnknownAction(action)
        answer: Payload = found(charger, told)
        return answer

    def heard_of_operator(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        """Nothing: the charger itself names its transactions."""

    def greetings(self, charger: Charger) -> list[Request]:
        wanted = {"TxUpdatedInterval": str(SAMPLE_S), "TxUpdatedMeasurands": _MEASURED}
        settings = [
            {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": name}, "attributeValue": value}
            for name, value in wanted.items()
        ]  # fmt: skip
        plug = {
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
            "variable": {"name": "ConnectorType"},
        }
        smart = [
            {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": name}}
            for name in (_SWITCHES, _PERIODS)
        ]
        who = [
            {"component": {"name": "ChargingStation"}, "variable": {"name": name}} for name in _WHO
        ]
        asked = [plug, *smart, *(who if charger.unknown else ())]
        return [
            ("SetVariables", {"setVariableData": settings}),
            ("GetVariables", {"getVariableData": asked}),
            ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}),
            ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}),
        ]  # fmt: skip

    def told(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        if action != "GetVariables":
            return
        told = {
            one["variable"]["name"]: printable(str(one.get("attributeValue", "")), 60)
            for one in answer["getVariableResult"]
        }
        if who := {_WHO[name]: value for name, value in told.items() if name in _WHO and value}:
            charger.booted(who)
        charger.switches_phases = told.get(_SWITCHES, "").lower() == "true"
        charger.one_period = told.get(_PERIODS, "").strip() == "1"
        if plug := told.get("ConnectorType"):
            log.info("%s: its plug is %s", charger.name, PLUGS.get(plug, plug))

    def safe(self, charger: Charger) -> Request:
        return _profile(DEFAULT_ID, 0, "TxDefaultProfile", "Relative", schedule(charger.safe_a))

    def limit(self, charger: Charger, amps: float, seconds: int, now: datetime) -> list[Request]:
        if charger.transaction is None:
            return []
        requests = []
        for which, level, each in held(charger, amps, seconds, now):
            name, payload = _profile(which, level, "TxProfile", "Absolute", each)
            payload["chargingProfile"]["transactionId"] = charger.transaction.id
            requests.append((name, payload))
        return requests

    def clear(self, charger: Charger) -> list[Request]:
        return [("ClearChargingProfile", {"chargingProfileId": which}) for which in ours(charger)]

    def start(self, charger: Charger) -> Request:
        self._starts += 1
        token = (
            {"idToken": charger.id_tags[0], "type": "Central"}
            if charger.id_tags
            else {"idToken": "", "type": "NoAuthorization"}
        )
        start = {"evseId": 1, "remoteStartId": self._starts, "idToken": token}
        return "RequestStartTransaction", start

    def _on_boot_notification(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        charger.booted(told["chargingStation"])
        return {"status": "Accepted", "currentTime": _now(charger), "interval": _HEARTBEAT_S}

    def _on_heartbeat(self, charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {"currentTime": _now(charger)}

    def _on_status_notification(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        if told["evseId"] == 1:
            charger.says_the_time(time_of(told["timestamp"]))
            state = _CONNECTOR[told["connectorStatus"]]
            charges = state == "plugged" and charger.transaction and charger.state == "charging"
            if not charges:  # a transaction tells more than an occupied connector
                charger.is_in(state)
        return {}

    def _on_authorize(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        return {"idTokenInfo": {"status": _may(charger, told["idToken"])}}

    def _on_transaction_event(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        at, info = time_of(told["timestamp"]), told["transactionInfo"]
        if told.get("evse", {"id": 1})["id"] == 1 and not (
            told.get("offline") or charger.is_late(at)
        ):
            self._hear(charger, told, info, at)
        elif told["eventType"] == "Ended":
            charger.ended(info["transactionId"], None, at)
        if "idToken" not in told:
            return {}
        return {"idTokenInfo": {"status": _may(charger, told["idToken"])}}

    def _hear(
        self,
        charger: Charger,
        told: Mapping[str, Any],
        info: Mapping[str, Any],
        at: datetime | None,
    ) -> None:
        values = [samples(value["sampledValue"]) for value in told.get("meterValue", ())]
        counted = next((v[ENERGY] for v in values if ENERGY in v), None)
        if told["eventType"] == "Ended":
            charger.ended(info["transactionId"], counted, at)
            if charger.transaction is None:  # else it is another's end that comes late
                charger.is_in("plugged")
            return
        if charger.is_over(info["transactionId"]):
            return
        charger.began(info["transactionId"], counted if told["eventType"] == "Started" else None)
        charger.says_the_time(at)
        if "chargingState" in info:
            charger.is_in(_CHARGING[info["chargingState"]])
            if info["chargingState"] == "Idle":
                charger.is_in("plugged")
        for value in values:
            charger.measured(value, at)

    def _on_meter_values(self, charger: Charger, told: Mapping[str, Any]) -> Payload:
        for value in told["meterValue"] if told["evseId"] <= 1 else ():
            charger.measured(samples(value["sampledValue"]), time_of(value["timestamp"]))
        return {}

    def _on_data_transfer(self, _charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {"status": "UnknownVendorId"}

    def _nothing(self, _charger: Charger, _told: Mapping[str, Any]) -> Payload:
        return {}

    _on_notify_report = _on_notify_event = _on_security_event_notification = _nothing
    _on_firmware_status_notification = _on_log_status_notification = _nothing
    _on_notify_charging_limit = _on_cleared_charging_limit = _on_report_charging_profiles = _nothing


def _profile(which: int, level: int, purpose: str, kind: str, held: Payload) -> Request:
    return "SetChargingProfile", {
        "evseId": 1,
        "chargingProfile": {
            "id": which,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": [{"id": which, **held}],
        },
    }


def _may(charger: Charger, token: Mapping[str, Any]) -> str:
    open_to_all = token["type"] == "NoAuthorization" and not charger.id_tags
    return "Accepted" if open_to_all or charger.knows(token["idToken"]) else "Invalid"


def _now(charger: Charger) -> str:
    return charger.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
