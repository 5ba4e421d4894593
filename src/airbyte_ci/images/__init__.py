"""A connector becomes an image: plan, build, outputs, and what explains and runs it."""
