"""Final analysis: statistics, completeness, integrity, losses, anomalies, readiness, configuration; reads only."""
