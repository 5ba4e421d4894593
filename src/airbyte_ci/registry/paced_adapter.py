"""An adapter of `requests` that enforces the pace of `pace`. Slow to import, like `requests`."""

from typing import Any

from requests.adapters import HTTPAdapter

from airbyte_ci.registry.pace import POOLS


class PacedAdapter(HTTPAdapter):
    """An adapter of `requests` whose connections enforce the pace, also through proxies."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager
