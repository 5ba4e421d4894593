"""A connector's build_customization: the module's process and its conversation, and the declarative form."""
