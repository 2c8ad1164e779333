"""What MongoDB Atlas says of a project and its cluster, over its Admin API."""
