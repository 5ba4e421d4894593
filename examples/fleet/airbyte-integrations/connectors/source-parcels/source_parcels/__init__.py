"""A source that reads the files a parcel carrier drops into a folder."""

from source_parcels.source import SourceParcels

__all__ = ["SourceParcels"]
