"""A source that predicts high and low water from the moon's main tide."""
