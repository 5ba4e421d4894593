"""Which base image a connector can use, and what another one means for it."""
