"""The files of a connector that every migration edits: its version, its changelog and its README."""
