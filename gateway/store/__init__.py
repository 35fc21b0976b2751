"""The account book: append-only, hash-chained, in SQLite; restart = replay."""

from gateway.store.book import Book, Entry
from gateway.store.journal import Journal

__all__ = ["Book", "Entry", "Journal"]
