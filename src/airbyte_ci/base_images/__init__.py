"""Base images: their catalog, declarations, inspection, making and releases."""
