"""A Home Assistant of its own for a test: started on loopback, onboarded, asked over its HTTP and WebSocket interfaces."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from simulators.broker import free_port

START_S = 180.0  # a cold start on a slow machine; what it asks the internet for is left out
CONFIGURATION = """\
homeassistant:
  name: Home
  country: US
  currency: USD
  unit_system: metric
  time_zone: America/Chicago
http:
  server_host: 127.0.0.1
  server_port: {port}
recorder:
history:
energy:
"""

# All but the owner is answered: the other steps would add what asks the internet.
ONBOARDING = json.dumps(
    {
        "version": 4,
        "minor_version": 1,
        "key": "onboarding",
        "data": {"done": ["core_config", "analytics", "integration"]},
    }
)


class HomeAssistant:
    """One that runs. ``log`` is what it has logged, ``user`` and ``PASSWORD`` open its page."""

    USER, PASSWORD = "owner", "a-password-of-the-test"

    def __init__(self, http: aiohttp.ClientSession, url: str, log: Path) -> None:
        self.url, self.version, self._log = url, "", log
        self._http = http
        self._head: dict[str, str] = {}
        self._ids = itertools.count(1)

    @property
    def log(self) -> list[str]:
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines()

    async def onboard(self) -> str:
        """Make the owner; gives the token of further requests."""
        body = {
            "client_id": f"{self.url}/",
            "name": "Owner",
            "username": self.USER,
            "password": self.PASSWORD,
            "language": "en",
        }
        async with self._http.post(f"{self.url}/api/onboarding/users", json=body) as answer:
            code = (await answer.json())["auth_code"]
        form = {"client_id": f"{self.url}/", "code": code, "grant_type": "authorization_code"}
        async with self._http.post(f"{self.url}/auth/token", data=form) as answer:
            token: str = (await answer.json())["access_token"]
        self._head = {"Authorization": f"Bearer {token}"}
        return token

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(self.url + path, json=body, headers=self._head) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def add_broker(self, port: int) -> None:
        """Settings, Devices & services, Add integration, MQTT."""
        flow = await self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        made = await self.post(
            f"/api/config/config_entries/flow/{flow['flow_id']}",
            {"broker": "127.0.0.1", "port": port},
        )
        assert made["type"] == "create_entry", made

    async def connect(self, token: str) -> None:
        self._socket = await self._http.ws_connect(f"{self.url}/api/websocket", max_msg_size=0)
        self.version = (await self._socket.receive_json())["ha_version"]
        await self._socket.send_json({"type": "auth", "access_token": token})
        assert (await self._socket.receive_json())["type"] == "auth_ok"

    async def ask(self, kind: str, **more: Any) -> Any:
        """One command of the WebSocket interface, and its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "type": kind, **more})
        while True:
            answer = await self._socket.receive_json()
            if answer["id"] == number:
                assert answer["success"], answer
                return answer["result"]

    async def states(self) -> dict[str, dict[str, Any]]:
        return {each["entity_id"]: each for each in await self.ask("get_states")}

    async def call(self, service: str, entity: str, **data: Any) -> None:
        domain, name = service.split(".")
        target = {"entity_id": entity}
        await self.ask(
            "call_service", domain=domain, service=name, service_data=data, target=target
        )


@asynccontextmanager
async def home_assistant(
    python: str, folder: Path, broker_port: int
) -> AsyncIterator[HomeAssistant]:
    """Started with the broker as its MQTT integration; ended with the context."""
    port = free_port()
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
    (folder / ".storage").mkdir()
    (folder / ".storage" / "onboarding").write_text(ONBOARDING)
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            python, "-m", "homeassistant", "-c", str(folder), "--skip-pip",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            made = HomeAssistant(http, f"http://127.0.0.1:{port}", folder / "home-assistant.log")
            await _answers(http, made.url, process, folder / "output")
            token = await made.onboard()
            await made.connect(token)
            await made.add_broker(broker_port)
            yield made
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(
    http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process, output: Path
) -> None:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                async with http.get(f"{url}/api/onboarding") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, json.JSONDecodeError):
                pass
            await asyncio.sleep(0.2)
    said = await asyncio.to_thread(output.read_text)
    raise AssertionError(f"Home Assistant has ended: {said[-2000:]}")
