"""TLS towards a neighbour: its certificate is always checked; ours is shown where one is configured."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.config.secrets import secret_file
from gateway.errors import ConfigError


def client_tls(
    section: str, ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    """Trust ``ca_file`` or the system's authorities; with ``cert_file`` prove who we are (mutual TLS).

    The private key is ``key_file``, else systemd's credential ``<section>_key``, else it stands in
    ``cert_file`` too. Raises ConfigError that names the key of ``[section]``.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{section}.ca_file = {ca_file}: no usable certificate: {error}"
        ) from error
    if cert_file is None:
        if key_file is not None:
            raise ConfigError(f"{section}.cert_file is missing: {section}.key_file belongs to it")
        return context
    key = secret_file(f"{section}_key", key_file)
    name = f"{section}.cert_file = {cert_file}"
    if key is not None:
        name = f"{name}, {section}.key_file = {key}"

    def passphrase() -> str:
        raise ConfigError(f"{name}: the key has a passphrase; nobody is there to enter it")

    try:
        context.load_cert_chain(cert_file, key, passphrase)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{name}: no certificate with its private key: {error}") from error
    return context


def server_tls(section: str, cert_file: Path, key_file: Path | None) -> ssl.SSLContext:
    """Our certificate for those who dial in; the key as in `client_tls`. Raises ConfigError."""
    key = secret_file(f"{section}_key", key_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert_file, key)
    except (OSError, ssl.SSLError) as error:
        where = f"{section}.cert_file = {cert_file}, {section}.key_file = {key}"
        raise ConfigError(f"{where}: no certificate with its private key: {error}") from error
    return context
