"""Documents about released images that anyone can check: SBOMs, provenance, signatures, verification."""
