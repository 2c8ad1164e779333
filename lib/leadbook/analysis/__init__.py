"""09: statistics, integrity, anomalies, cost and recommendations; reads only."""
