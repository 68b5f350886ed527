"""What the gateway is told by its environment."""

from pathlib import Path

from nautes_runtime.settings import Part, ServiceSettings, VaultSettings
from nautes_webhook_gateway.spool import SpoolLimits


class ListenSettings(Part):
    """`NAUTES_GATEWAY__HOST`, `…__PORT` (0: a free one, logged), `…__SPOOL_DIR` and the bounds of the spool."""

    host: str = "127.0.0.1"
    port: int = 0
    spool_dir: Path
    """On a disk that outlives the process, one for each gateway."""
    spool_deliveries: int = SpoolLimits().deliveries
    spool_size: int = SpoolLimits().size
    """Bytes."""


class GatewaySettings(ServiceSettings):
    """Everything that the gateway needs to run."""

    vault: VaultSettings
    gateway: ListenSettings
