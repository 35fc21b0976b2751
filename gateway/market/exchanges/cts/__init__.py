"""The exchange of the charging network: CTS 1.0 messages in JSON over HTTP (docs/exchange.md)."""

from gateway.market.exchanges.cts.adapter import connect

__all__ = ["connect"]
