"""The home energy gateway: reads a home, trades its surplus, delivers it and proves it."""

__version__ = "0.1.0"
