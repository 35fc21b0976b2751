"""A retailer that pays a published price: no bidding, the same offer curve read at that price."""

from gateway.market.exchanges.posted_price.adapter import connect

__all__ = ["connect"]
