"""Results as text, JSON, JUnit, SARIF and annotations: pure functions of data."""
