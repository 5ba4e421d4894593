"""The registry client (OCI distribution-spec 1.1, Docker Registry v2); knows nothing about connectors.

`client` is what others use; nothing is imported here, because `options` is wanted where no registry is asked.
"""
