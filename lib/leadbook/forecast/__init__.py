"""When the sprint's milestones come, with what probability, and which limit is hit first."""
