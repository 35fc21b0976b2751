"""What is wrong with a configuration before anything is asked: by building what `run` builds, and by what can hardly be meant."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gateway.agent.compose import Agent
from gateway.agent.feeds import access_of
from gateway.agent.notify import addresses
from gateway.agent.programme import vtn_of
from gateway.bridge.load import asked_of
from gateway.bridge.serve import Bridge
from gateway.clock import WallClock
from gateway.config import credstore, paths
from gateway.config.device_settings import DeviceSettings
from gateway.config.explain import Keys, at
from gateway.config.feeds import PriceFeed
from gateway.config.plausible import doubts
from gateway.config.secrets import closed_to_others, secret_files
from gateway.config.settings import Settings
from gateway.config.tls import client_tls
from gateway.dashboard.server import password_hash
from gateway.devices.build import build_devices
from gateway.devices.catalogue import profile
from gateway.errors import ConfigError
from gateway.feeds import open_feed
from gateway.forecasts.household import rest_days
from gateway.forecasts.pv_services import pv_provider
from gateway.forecasts.temperature import outside_temperature
from gateway.market.connect import adapter
from gateway.planner import strategy
from gateway.publishing.broker import password, tls_context

_KEY = re.compile(r"^([a-z_]+)\.([a-z_]+)\b")
Part = tuple[Keys, Callable[[], object]]


def faults(path: Path, text: str, settings: Settings, *, secrets_known: bool = True) -> list[str]:
    """Everything for which `run` would refuse its work, each with its line; nobody is asked.

    ``secrets_known``: False where a missing one may be a credential that only the service is handed.
    """
    found = [*_unreadable(path, text, settings)]
    for keys, build in _parts(settings):
        try:
            build()
        except ConfigError as error:
            if secrets_known or "systemd credential" not in str(error):
                found.append(at(path, text, keys, str(error)))
    return found


async def built(path: Path, text: str, settings: Settings) -> list[str]:
    """The whole, built as `run` builds it, in a folder of its own: what none of its parts could know."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        own = settings.model_copy(update={"state_dir": Path(folder)})
        try:
            build_devices(own.plain_devices(), None, WallClock())
            agent = Agent(own, WallClock(), lambda _order: None)
        except ConfigError as error:
            named = _KEY.match(str(error))
            return [at(path, text, named.groups() if named else (), str(error))]
        await agent.close()
    return []


def questions(path: Path, text: str, settings: Settings, *, accepted: bool = False) -> list[str]:
    """What can hardly be meant so, each with what would be right; ``accepted``: only what is missing."""
    return [
        at(path, text, doubt.key, doubt.asks)
        for doubt in doubts(settings)
        if not (accepted and doubt.acceptable)
    ]


def _parts(settings: Settings) -> Iterator[Part]:
    """The parts of a running gateway that a configuration can make impossible, and the key of each."""
    for i, device in enumerate(settings.device):
        yield ("device", i, "profile"), partial(_known, device)
    if settings.market:
        market = settings.market
        yield ("market", "exchange"), lambda: adapter(market.exchange)
        yield (
            ("market", "ca_file"),
            lambda: client_tls("market", market.ca_file, market.cert_file, market.key_file),
        )
    if settings.programme is not None:
        yield ("programme", "secret_file"), partial(vtn_of, settings.programme)
    yield ("planner", "strategy"), lambda: strategy(settings.planner.strategy)
    if settings.pv_forecast:
        yield ("pv_forecast", "provider"), lambda: pv_provider(settings)
    yield ("household", "country"), lambda: rest_days(settings)
    yield ("household", "temperature"), lambda: outside_temperature(settings, WallClock())
    for i, feed in enumerate(settings.price_feed):
        yield (
            ("price_feed", i, "provider"),
            partial(_open_feed, feed, settings),
        )
    yield ("mqtt", "password_file"), lambda: password(settings.mqtt)
    yield ("mqtt", "ca_file"), lambda: tls_context(settings.mqtt)
    if settings.notify is not None:
        notify = settings.notify
        yield ("notify", "urls_file"), lambda: addresses(notify)
    if any(device.profile == "ocpp" for device in settings.device):
        bridged = [d.at_its_port() for d in settings.device if d.bridged]
        yield ("ocpp",), lambda: Bridge(bridged, settings.mqtt, WallClock(), ocpp=settings.ocpp)
    if settings.dashboard.enabled:
        yield ("dashboard", "host"), lambda: password_hash(settings.dashboard)


def _open_feed(stated: PriceFeed, settings: Settings) -> object:
    return open_feed(stated.provider, access_of(stated, settings))


def _known(device: DeviceSettings) -> None:
    """Raises ConfigError for a profile that there is not, or whose values cannot be read so."""
    if device.bridged:
        asked_of(device)
    else:
        profile(device.profile)


def _unreadable(path: Path, text: str, settings: Settings) -> Iterator[str]:
    """Secrets of root alone, which the service cannot read: systemd runs it as a user of its own."""
    if not (credstore.of_the_service(path) and credstore.own_user()):
        return
    for secret in secret_files(settings):
        own = secret.file.is_relative_to(paths.SYSTEM_STATE)
        if not own and closed_to_others(secret.file):
            place = credstore.place_of(secret.credential)
            yield at(
                path,
                text,
                secret.key.split("."),
                f"{secret.file}: the service runs as a user of its own and cannot read it: "
                f"sudo install -Dm 600 {secret.file} {place}, and leave the key out",
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """What the daemon would log is not said twice."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
