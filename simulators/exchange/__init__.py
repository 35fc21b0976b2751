"""The simulated energy exchange: book, clearing, settlement, server."""
