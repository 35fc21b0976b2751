"""What a strategy would have earned on past data, seeing at each interval only what was known then."""
