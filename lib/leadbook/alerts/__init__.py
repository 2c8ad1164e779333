"""Messages to people: where they go, what could not be delivered, who has answered, when the next person is told."""
