"""A first set-up: one list of questions for the terminal and the page, and the gateway.toml that follows from the answers."""
