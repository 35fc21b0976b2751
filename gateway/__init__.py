"""The home energy gateway: reads a home's devices, trades its surplus, delivers it and proves it."""

__version__ = "0.1.0"
