"""Who makes itself known in the home network by multicast DNS: names for hosts, and devices that have no Modbus.

What a device tells of itself is a hint: its address is knocked at like any other. Service types are those of the makers'
own documents: HomeWizard (``_hwenergy._tcp``), Shelly Gen2 (``_shelly._tcp``, ``app`` in its TXT record), Fronius, SMA and
others (``_modbus._tcp``, ``_http._tcp``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from gateway.clock import Clock
from gateway.escape import printable
from gateway.setup.named import Named
from gateway.setup.shelly import profile_of

TYPES = tuple(
    f"_{kind}._tcp.local."
    for kind in ("modbus", "http", "hwenergy", "shelly", "Fronius-SE-Inverter")
)
LISTEN_S = 3.0  # answers to a question come within half a second, those of sleepy devices later
_INFO_MS = 2000


async def named(
    clock: Clock, interfaces: Sequence[str] | None = None, for_s: float = LISTEN_S
) -> list[Named]:
    """All that answer within ``for_s``, each host once; empty where multicast cannot be used.

    ``interfaces`` are our own addresses to listen on; default: all.
    """
    heard: dict[tuple[str, str], None] = {}

    def hear(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is not ServiceStateChange.Removed:
            heard[service_type, name] = None

    try:
        network = AsyncZeroconf(interfaces=list(interfaces)) if interfaces else AsyncZeroconf()
    except (OSError, RuntimeError):  # the second where no interface has an address
        return []
    try:
        browser = AsyncServiceBrowser(network.zeroconf, list(TYPES), handlers=[hear])
        await clock.sleep(for_s)
        await browser.async_cancel()
        found: dict[str, Named] = {}
        for service_type, name in heard:
            info = AsyncServiceInfo(service_type, name)
            if await info.async_request(network.zeroconf, _INFO_MS):
                for host in info.parsed_addresses():
                    one = _named(host, service_type, name, info.decoded_properties)
                    if one.profile or host not in found:
                        found[host] = one
        return [one for one in found.values() if ":" not in one.host]  # IPv6 is found by its IPv4
    finally:
        await network.async_close()


def _named(host: str, service_type: str, name: str, told: Mapping[str, str | None]) -> Named:
    """What the records say of the host."""
    label = printable(name.removesuffix(f".{service_type}"), 60)
    profile = ""
    if service_type.startswith("_hwenergy") and (told.get("product_type") or "").startswith(
        "HWE-P1"
    ):
        profile = "homewizard-p1"
    elif service_type.startswith("_shelly"):
        profile = profile_of(told)
    elif label.lower().startswith("shellyem3"):
        profile = "shelly-3em-http"
    return Named(host, label, profile)
