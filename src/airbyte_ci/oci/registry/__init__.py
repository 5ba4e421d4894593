"""The registry client (OCI distribution-spec 1.1, Docker Registry v2); knows nothing about connectors."""

from airbyte_ci.oci.registry.client import RegistryClient, client_of_user
from airbyte_ci.oci.registry.credentials import (
    Anonymous,
    Credential,
    CredentialSource,
    Fixed,
    Found,
    UserCredentials,
)
from airbyte_ci.oci.registry.failures import Absent, Refused, Transient
from airbyte_ci.oci.registry.options import Event, RegistryOptions

__all__ = [
    "Absent",
    "Anonymous",
    "Credential",
    "CredentialSource",
    "Event",
    "Fixed",
    "Found",
    "Refused",
    "RegistryClient",
    "RegistryOptions",
    "Transient",
    "UserCredentials",
    "client_of_user",
]
