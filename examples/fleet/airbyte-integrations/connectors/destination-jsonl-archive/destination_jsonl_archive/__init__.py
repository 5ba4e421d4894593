"""A destination that writes the records of each stream to a JSONL file."""
