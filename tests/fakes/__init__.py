"""Real servers and real content for the tests: they count what they are asked and misbehave."""
