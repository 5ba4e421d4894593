"""The texts of an environment's layers in an image's history. Cheap to import."""

REMOVED = "remove replaced Python distributions"
COMPILED = "compile the standard library"
INSTALLED = "install Python dependencies"
