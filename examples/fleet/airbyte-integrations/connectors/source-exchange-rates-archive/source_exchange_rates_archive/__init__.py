"""A source that reads daily exchange rates from an archive of monthly CSV files."""
