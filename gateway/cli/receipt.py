"""energy-gateway receipt: the account with its countersigned heads, for others; and their check of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from collections.abc import Mapping


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("receipt")(receipt)


def receipt(
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    out: Annotated[Path | None, typer.Option(help="write the account and its receipts")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="check such a file; needs nothing else")
    ] = None,
    party_key: Annotated[
        Path | None,
        typer.Option(help="the party's public JWK, or a JWK set; default: what is in the file"),
    ] = None,
    exchange_key: Annotated[
        Path | None,
        typer.Option(help="the exchange's public JWK, or a JWK set; default: what is in the file"),
    ] = None,
) -> None:
    """Give a third party the account with the exchange's signatures under it, or check such a file.

    A check ends with 1 where a row is not as it was when the exchange signed. Compare the
    fingerprints of the keys with those that party and exchange publish, or give the keys yourself.

    Example: energy-gateway receipt --out home.json; energy-gateway receipt --verify home.json
    """
    from gateway.errors import ConfigError

    if (out is None) == (verify is None):
        raise ConfigError("give --out FILE to write a receipt or --verify FILE to check one")
    if out is not None:
        _write(config, out)
    if verify is not None:
        _verify(verify, party_key, exchange_key)


def _write(config: Path, out: Path) -> None:
    import json

    from gateway.config.load import load_settings
    from gateway.config.secrets import secret_file
    from gateway.errors import ConfigError
    from gateway.market.receipts import covered, receipt_file
    from gateway.market.signing import read_credential
    from gateway.store.journal import Journal

    settings = load_settings(config)
    market = settings.market
    credential = secret_file("exchange", market.credential_file) if market else None
    if credential is None:
        raise ConfigError(f"{config}: market.credential_file: without a key nothing was signed")
    journal = Journal(settings.state_dir / "journal.sqlite", read_only=True)
    try:
        document = receipt_file(journal.rows(), read_credential(credential).public_jwks())
    finally:
        journal.close()
    try:
        out.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
    rows = len(document["entries"])
    print(f"{out}: {rows} rows, countersigned up to row {covered(document)}")


def _verify(file: Path, party_key: Path | None, exchange_key: Path | None) -> None:
    import sys

    from gateway.errors import ConfigError
    from gateway.market.receipts import covered, faults, fingerprint, keys_in

    document = _json(file)
    try:
        party = _keys(party_key) if party_key else keys_in(document, "party")
        exchange = _keys(exchange_key) if exchange_key else keys_in(document, "exchange")
        if not exchange:
            raise ConfigError(f"{file}: no receipt is in it, the exchange has signed nothing")
        found = faults(document, party, exchange)
        for who, keys in (("party   ", party), ("exchange", exchange)):
            for key in keys:
                print(f"{who} {fingerprint(key)}{'' if key is keys[0] else ' (former)'}")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{file}: is no receipt file: {error}") from error
    for line in found:
        sys.stderr.write(line + "\n")
    if found:
        raise typer.Exit(1)
    rows, until = len(document["entries"]), covered(document)
    print(f"{rows} rows, whole; as the exchange signed them up to row {until}")


def _keys(file: Path) -> list[Mapping[str, Any]]:
    """One JWK, or several as a JWK set: all that have signed over the years."""
    found = _json(file)
    return list(found["keys"]) if "keys" in found else [found]


def _json(file: Path) -> Mapping[str, Any]:
    import json

    from gateway.errors import ConfigError

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is no JSON") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: is no JSON object")
    return found
