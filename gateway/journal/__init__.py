"""The account book: append-only, hash-chained, in SQLite; restart = replay."""

from gateway.journal.book import Book, Entry
from gateway.journal.store import Journal

__all__ = ["Book", "Entry", "Journal"]
