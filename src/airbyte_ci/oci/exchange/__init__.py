"""A part of a store as one file for other machines, an OCI image layout in a tar.

`archive` has its format, `contents` selects what is worth its size, `save` exports and `load` imports. The kinds of
results that may be moved are an argument.
"""
