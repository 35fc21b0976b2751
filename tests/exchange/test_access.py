"""Credentials, TLS and signatures, over the wire."""

import json
import ssl
from pathlib import Path

import aiohttp
import pytest

from gateway.clock import SimClock
from gateway.config.agent_settings import Market
from gateway.domain.intervals import quarter
from gateway.domain.trade import Side, Tender
from gateway.errors import ConfigError, MarketError
from gateway.market.connect import open_exchange
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.signing import read_credential
from simulators.exchange import ExchangeHandle
from simulators.exchange.operator import ACTIONS
from tests.certificates import Authority
from tests.exchange.conftest import T, Wire, play, tender_body

pytestmark = pytest.mark.usefixtures("each_store")


def access(handle: ExchangeHandle, clock: SimClock, party: str = "home") -> ExchangeAccess:
    return ExchangeAccess(handle.url, party, clock, handle.credential_file(party), handle.ca_file)


def test_a_signed_tender_over_tls(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert handle.url.startswith("https://")
        home = connect(access(handle, clock))
        tender = Tender("t1", quarter(T), Side.SELL, 1_000, 2_000, T)
        try:
            (answer,) = await home.create_tenders([tender])
            assert answer.accepted
            await clock.sleep(2 * 3600)  # the token has expired; a new one is asked for
            (again,) = await home.create_tenders([tender])
            assert again == answer
        finally:
            await home.close()
        (document,) = handle.store.all("SELECT document FROM tender")
        stored = await handle.store.evidence(document[0])
        assert stored is not None
        assert stored.signed is not None
        assert stored.signed.count(b".") == 2

    play(tmp_path, story, insecure=False)


def test_a_party_that_the_operator_registers_trades(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        folder = handle.credential_file("home").parent
        asked = {"party": "home-42", "role": "home", "capacity_w": "8000", "folder": str(folder)}
        said = await ACTIONS["register"](handle.market, asked)
        assert said["credential_file"] == str(handle.credential_file("home-42"))
        kept = read_credential(handle.credential_file("home-42")).client_secret
        assert await ACTIONS["register"](handle.market, asked | {"capacity_w": "4000"}) == said
        assert read_credential(handle.credential_file("home-42")).client_secret == kept
        for wrong in ({"role": "fleet"}, {"party": "a/b"}, {"capacity_w": "0"}, {"role": "boss"}):
            with pytest.raises(ValueError, match=r"stays|at most 64|1 to|there are home"):
                await ACTIONS["register"](handle.market, asked | wrong)
        home = connect(access(handle, clock, "home-42"))
        try:
            tenders = [Tender(f"t{wh}", quarter(T), Side.SELL, wh, 2_000, T) for wh in (1_000, 500)]
            first, above = await home.create_tenders(tenders)
            assert first.accepted
            assert not above.accepted  # 4 kW is 1,000 Wh a quarter-hour
        finally:
            await home.close()

    play(tmp_path, story, insecure=False)


def test_what_is_not_proved_is_refused(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        tls = ssl.create_default_context(cafile=str(handle.ca_file))
        body = json.dumps(tender_body("t1", "SELL", 1_000, 2_000)).encode()
        home = read_credential(handle.credential_file("home"))
        other = read_credential(handle.credential_file("fleet-depot"))
        good = {"Authorization": aiohttp.encode_basic_auth(home.client_id, home.client_secret)}
        form = {"grant_type": "client_credentials"}
        url = f"{handle.url}/oauth2/token"
        for name in (home.client_id, "nobody", "no\0name"):
            wrong = {"Authorization": aiohttp.encode_basic_auth(name, "guess")}
            async with wire.session.post(url, data=form, headers=wrong, ssl=tls) as reply:
                assert reply.status == 401
        async with wire.session.post(url, data=form, headers=good, ssl=tls) as reply:
            token = (await reply.json())["access_token"]

        async def send(data: bytes, kind: str, bearer: str = token) -> tuple[int, str]:
            headers = {
                "Authorization": f"Bearer {bearer}",
                "Content-Type": kind,
                "Idempotency-Key": "k",
            }
            where = f"{handle.url}/cts/createTender"
            async with wire.session.post(where, data=data, headers=headers, ssl=tls) as reply:
                return reply.status, (await reply.json(content_type=None)).get("title", "")

        signed = home.sign(body, clock.now())
        jose = "application/jose"
        assert await send(body, "application/json") == (401, "bad-signature")
        assert await send(other.sign(body, clock.now()), jose) == (401, "bad-signature")
        head, payload, signature = signed.split(b".")
        forged = b".".join([head, payload[:-2] + b"AA", signature])
        assert await send(forged, jose) == (401, "bad-signature")
        assert await send(b"\xff.\xff.", jose) == (401, "bad-signature")
        assert await send(signed, jose, "insecure:home") == (401, "unauthorized")
        assert await send(signed, jose, "") == (401, "unauthorized")
        assert handle.store.all("SELECT * FROM tender") == []
        assert await send(signed, jose) == (201, "")

    play(tmp_path, story, insecure=False)


def test_the_credential_of_another_party_is_a_mismatch(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        found = access(handle, clock, "fleet-depot")
        liar = connect(
            ExchangeAccess(handle.url, "home", clock, found.credential_file, found.ca_file)
        )
        try:
            with pytest.raises(MarketError, match="partyId 'home' is not the party"):
                await liar.rules()
        finally:
            await liar.close()

    play(tmp_path, story, insecure=False)


def test_files_of_secrets_are_for_their_owner(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        secret = handle.credential_file("home")
        assert secret.stat().st_mode & 0o077 == 0
        assert (handle.state_dir / "tls" / "server.key").stat().st_mode & 0o077 == 0
        credential = read_credential(secret)
        assert credential.client_secret not in repr(credential)

    play(tmp_path, story, insecure=False)


def test_a_bare_name_is_only_a_name(tmp_path: Path) -> None:
    """What registers itself never becomes a path, an option or a line of a log."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        for name in ("../../evil", "a/b", ".hidden", "a b", "", "x" * 65, "-option", "a:b"):
            status, problem = await wire.get("party", party=name)
            assert (status, problem["title"]) == (401, "unauthorized")
        assert (await wire.get("party", party="home-77"))[0] == 200
        assert not handle.credential_file("home-77").exists()

    play(tmp_path, story)


@pytest.mark.parametrize("content", ["", "{}", '{"client_id": "a", "client_secret": "b"}', "[1]"])
def test_a_bad_credential_file_names_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "home.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"home\.json: is no exchange credential"):
        read_credential(path)


def test_plain_http_beyond_loopback_is_refused() -> None:
    clock = SimClock(T)
    with pytest.raises(ConfigError, match="use https://"):
        connect(ExchangeAccess("http://exchange.example", "home", clock))


def test_an_exchange_that_asks_for_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutual TLS; all secrets as systemd gives them. Without our certificate nobody answers."""
    authority = Authority(tmp_path)
    cert, key = authority.signed("home")

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        secrets = tmp_path / "credentials-of-systemd"
        secrets.mkdir()
        (secrets / "exchange").write_bytes(handle.credential_file("home").read_bytes())
        (secrets / "market_key").write_bytes(key.read_bytes())
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secrets))
        keys = {"url": handle.url, "ca_file": handle.ca_file}
        home = open_exchange(Market.model_validate(keys | {"cert_file": cert}), clock)
        stranger = open_exchange(Market.model_validate(keys), clock)
        try:
            tender = Tender("t1", quarter(T), Side.SELL, 1_000, 2_000, T)
            (answer,) = await home.create_tenders([tender])
            assert answer.accepted
            with pytest.raises(MarketError):
                await stranger.server_time()
        finally:
            await home.close()
            await stranger.close()

    play(tmp_path / "exchange", story, insecure=False, client_ca=authority.file)


def test_a_certificate_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    market = Market(url="https://exchange.example", cert_file=tmp_path / "none.crt")
    with pytest.raises(ConfigError, match=r"market\.cert_file = .*none\.crt: no certificate"):
        open_exchange(market, SimClock(T))
