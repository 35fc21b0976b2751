"""Signatures that come together are checked together, each by itself; a call waits for those before it."""

import asyncio

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulators.exchange.signatures import Signatures

KEY = Ed25519PrivateKey.generate()


def signed(n: int, *, good: bool = True) -> tuple[bytes, bytes]:
    said = f"document {n}".encode()
    return KEY.sign(said if good else said + b"?"), said


async def test_each_is_told_of_its_own() -> None:
    checks = Signatures()
    assert await checks.good(KEY.public_key(), *signed(1))
    assert not await checks.good(KEY.public_key(), *signed(1, good=False))
    asked = [
        asyncio.create_task(checks.good(KEY.public_key(), *signed(n, good=n % 3 > 0)))
        for n in range(20)
    ]
    await asyncio.sleep(0)
    asked[7].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found.pop(7), asyncio.CancelledError)
    assert found == [n % 3 > 0 for n in range(20) if n != 7]
    assert await checks.good(KEY.public_key(), *signed(2)), "it goes on"


async def test_who_was_there_before_a_call_has_gone_on_when_it_is_held() -> None:
    checks, done = Signatures(), list[int]()

    async def request(n: int) -> None:
        await checks.good(KEY.public_key(), *signed(n))
        done.append(n)

    async with asyncio.TaskGroup() as group:
        for n in range(10):
            group.create_task(request(n))
        await asyncio.sleep(0)
        await checks.settled()
        assert sorted(done) == list(range(10))
    await checks.settled()  # nobody waits: at once
