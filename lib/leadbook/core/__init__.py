"""What everything stands on: errors, settings, checks, connections; knows no lead and no phase."""
