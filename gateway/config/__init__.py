"""gateway.toml -> Settings; read only by the composition."""

from gateway.config.load import load_settings
from gateway.config.settings import Settings

__all__ = ["Settings", "load_settings"]
