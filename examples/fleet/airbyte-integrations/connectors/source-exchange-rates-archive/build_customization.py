"""What this image has besides its wheels: a cache folder, and a note on where the rates come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

CACHE = "/var/cache/exchange-rates"
NOTE = "/usr/share/exchange-rates/SOURCE.txt"


async def pre_connector_install(base_image_container: Container) -> Container:
    """Make the cache folder before the connector is installed, and say where it is."""
    return base_image_container.with_env_variable("EXCHANGE_RATES_CACHE", CACHE).with_exec(
        ["sh", "-c", f"mkdir -p {CACHE} && chmod 0777 {CACHE}"]
    )


async def post_connector_install(connector_container: Container) -> Container:
    """Leave the note, readable by everyone."""
    return connector_container.with_new_file(
        NOTE, contents="Rates as published by the central banks, one file a month.\n"
    ).with_exec(["chmod", "0644", NOTE], skip_entrypoint=True)
