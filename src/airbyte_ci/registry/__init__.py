"""The registry client (OCI distribution-spec 1.1, Docker Registry v2); knows nothing about connectors.

Other packages use `client`. Nothing is imported here, because `options` is used where no registry is needed.
"""
