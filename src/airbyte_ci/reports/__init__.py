"""Results as text, JSON, JUnit, SARIF, annotations and HTML: pure functions of data."""
