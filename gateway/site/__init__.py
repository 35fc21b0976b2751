"""The home as one: observe, apply, meter."""
