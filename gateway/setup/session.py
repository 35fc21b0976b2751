"""One set-up from the first look to the written file, whoever shows it: answers, devices, and what they become."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import available_timezones

from gateway.clock import Clock
from gateway.config.agent_settings import Mqtt
from gateway.config.settings import Settings
from gateway.dashboard.password import hashed
from gateway.domain.readings import Role
from gateway.durable import make_folder, replace_file, replace_files
from gateway.errors import BrokerError, ConfigError
from gateway.publishing.broker import try_broker
from gateway.setup.document import ChosenDevice, Secrets, gateway_toml, known_answers
from gateway.setup.finder import Finder, Found
from gateway.setup.preview import settings_of
from gateway.setup.questions import Read, local_zone, questions, read

_NO_ZONES = ("UTC", "Etc/UTC")
BROKER_SECRET, PAGE_SECRET = "mqtt_password", "dashboard_password"


class Session:
    """``config`` is the file to write; where there is one already its answers are the defaults and its comments stay."""

    def __init__(
        self, config: Path, clock: Clock, finder: Finder | None = None, page_port: int | None = None
    ) -> None:
        """``page_port``: the gateway's page is to stand there, where the set-up's stands now."""
        self.config, self._clock = config, clock
        self.finder = finder or Finder(clock)
        self._page_port = page_port
        self._existing = _text_of(config)
        self._known, devices = known_answers(self._existing)
        self.asked = questions(local_zone(), self._known)
        for device in devices:
            self.finder.add(device)

    def seen_from(self, zone: str) -> None:
        """A person looks from that time zone: theirs is a better guess than a machine's that is set to UTC."""
        if local_zone() in _NO_ZONES and zone in available_timezones():
            self.asked = questions(zone, self._known)

    @property
    def has(self) -> frozenset[str]:
        """Parts of the home: of the found devices; of a home without any all may be there."""
        return self.finder.has

    def choose(self, key: str, wanted: bool, role: str = "", name: str = "") -> None:
        """Whether a found device is one of the home, what its power stands for, how it is called. Raises ConfigError."""
        one = self.finder.found.get(key)
        if one is None:
            raise ConfigError(f"{key!r} was not found")
        if role and role not in {r.value for r in Role}:
            raise ConfigError(f"{role!r} is no role; one of {', '.join(Role)}")
        one.wanted = wanted
        one.chosen = replace(one.chosen, role=role or None, name=name or one.chosen.name)

    def read(self, answers: Mapping[str, str]) -> Read:
        """The answers as values, and what is wrong with them."""
        return read(answers, self.asked, self.has)

    def text(self, answers: Mapping[str, str]) -> tuple[str, Settings]:
        """The file as it would be written. Raises ConfigError for answers that are missing or wrong."""
        found = self.read(answers)
        if found.faults:
            by_key = {question.key: question.text for question in found.asked}
            raise ConfigError(
                "\n".join(f"{by_key[key]}: {why}" for key, why in found.faults.items())
            )
        devices = [one.chosen for one in self.finder.wanted]
        if not devices:
            raise ConfigError("no device is chosen; search for them, or name one")
        secrets = Secrets(
            str(self._secret(PAGE_SECRET)) if found.values.get("password") else None,
            str(self._secret(BROKER_SECRET)) if found.values.get("broker_password") else None,
        )
        values = dict(found.values) | (
            {} if self._page_port is None else {"page_port": self._page_port}
        )
        text = gateway_toml(values, _with_a_grid(self.finder.wanted), secrets, self._existing)
        return text, settings_of(text)

    async def write(self, answers: Mapping[str, str]) -> Settings:
        """Write the file and the secrets, and let go of the devices. Raises ConfigError; then nothing has changed."""
        text, settings = self.text(answers)
        values = self.read(answers).values
        files = {}
        if values.get("password"):
            line = await asyncio.to_thread(hashed, values["password"])
            files[self._secret(PAGE_SECRET)] = f"{line}\n".encode()
        if values.get("broker_password"):
            files[self._secret(BROKER_SECRET)] = f"{values['broker_password']}\n".encode()
        try:
            replace_files(files | {self.config: text.encode()})
            self.config.chmod(
                0o644
            )  # there is no secret in it, and the service's own user reads it
        except OSError as error:
            raise ConfigError(
                f"{error.filename or self.config}: cannot be written: {error.strerror}"
            ) from error
        await self.finder.close()
        return settings

    async def try_broker(self, answers: Mapping[str, str]) -> str:
        """Empty if it takes us, else why not."""
        values = self.read(answers).values
        if "broker" not in values or "broker_port" not in values:
            return "its address is missing"
        password = values.get("broker_password")
        secret = self._secret(".broker_trial")
        try:
            if password:
                replace_file(secret, f"{password}\n".encode())
            settings = Mqtt(
                host=values["broker"], port=values["broker_port"], username=values.get("broker_user") or None,
                password_file=secret if password else None, tls=values["broker_port"] == 8883,
            )  # fmt: skip
            await try_broker(settings)
        except (BrokerError, ConfigError) as error:
            return str(error)
        except OSError as error:
            return f"{secret}: {error.strerror}"
        finally:
            secret.unlink(missing_ok=True)
        return ""

    def _secret(self, name: str) -> Path:
        return self.config.absolute().parent / name


def writable(config: Path) -> None:
    """Raises ConfigError where the file could not be written: before anybody has answered anything."""
    folder = config.absolute().parent
    try:
        make_folder(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made: {error.strerror}; name another file with --out or --config"
        ) from error
    if not os.access(folder, os.W_OK) or (config.exists() and not os.access(config, os.W_OK)):
        raise ConfigError(f"{config}: cannot be written; use sudo, or name another file")


def _text_of(config: Path) -> str:
    try:
        return config.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config}: cannot be read: {error}") from error


def _with_a_grid(wanted: list[Found]) -> list[ChosenDevice]:
    """The devices, with the role of the grid meter where two would measure one grid: a meter's word goes first."""
    chosen = [one.chosen for one in wanted]
    grids = [i for i, one in enumerate(wanted) if one.number("grid_power_w") is not None]
    if len(grids) < 2 or any(c.role for c in chosen):
        return chosen
    meter = next((i for i in grids if wanted[i].kind == "meter"), grids[0])
    return [replace(c, role="grid") if i == meter else c for i, c in enumerate(chosen)]
