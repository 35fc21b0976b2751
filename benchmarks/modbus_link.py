"""Reads per second and CPU per read: our link, a bare pymodbus loop, a bare asyncio socket.

All three read the same 100 registers from one server in another process, one request at a time,
in interleaved rounds of the same run. The bare socket is the floor; pymodbus is the peer under us.
Run: python benchmarks/modbus_link.py [--reads N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import struct
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe

from pymodbus.client import AsyncModbusTcpClient

from gateway.modbus.address import BusAddress
from gateway.modbus.connection import Connection

COUNT = 100
_ANSWER = bytes((3, 2 * COUNT)) + struct.pack(f">{COUNT}H", *range(COUNT))


class _Server(asyncio.Protocol):
    """Answers any request with the same 100 registers, as fast as asyncio can."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        head = data[:4] + struct.pack(">HB", len(_ANSWER) + 1, data[6])
        self.transport.write(head + _ANSWER)  # type: ignore[attr-defined]


def serve(port: Pipe) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def link_loop(port: int, reads: int) -> None:
    connection = Connection(BusAddress(host="127.0.0.1", port=port))
    for _ in range(reads):
        await connection.read(1, "holding", 0, COUNT)
    await connection.close()


async def pymodbus_loop(port: int, reads: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    for _ in range(reads):
        await client.read_holding_registers(0, count=COUNT, device_id=1)
    client.close()


async def socket_loop(port: int, reads: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for i in range(reads):
        writer.write(struct.pack(">HHHBBHH", i % 65536, 0, 6, 1, 3, 0, COUNT))
        await reader.readexactly(9 + 2 * COUNT)
    writer.close()


LOOPS: dict[str, Callable[[int, int], Awaitable[None]]] = {
    "asyncio socket (floor)": socket_loop,
    "pymodbus": pymodbus_loop,
    "our link": link_loop,
}


def measure(port: int, reads: int, rounds: int = 5) -> dict[str, dict[str, float]]:
    """Best round of each: noise only adds."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, loop in LOOPS.items():
            wall, cpu = time.perf_counter(), time.process_time()
            asyncio.run(loop(port, reads))  # type: ignore[arg-type]
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            row = {"reads_per_s": reads / wall, "cpu_us_per_read": cpu / reads * 1e6}
            if name not in best or row["reads_per_s"] > best[name]["reads_per_s"]:
                best[name] = row
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        rows = measure(ours.recv(), options.reads)
    finally:
        server.terminate()
        server.join()
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    floor, peer = rows["asyncio socket (floor)"], rows["pymodbus"]
    for name, row in rows.items():
        print(
            f"{name:24} {row['reads_per_s']:8.0f} reads/s {row['cpu_us_per_read']:7.1f} us CPU"
            f"   {row['reads_per_s'] / floor['reads_per_s']:5.2f} x floor"
            f"   {row['reads_per_s'] / peer['reads_per_s']:5.2f} x pymodbus"
        )


if __name__ == "__main__":
    main()
