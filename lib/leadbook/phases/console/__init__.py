"""What a provider's API shows, in place of a person's word, where that API is configured."""
