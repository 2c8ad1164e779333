"""What a notebook holds, and a package a notebook: what is judged and shown."""
