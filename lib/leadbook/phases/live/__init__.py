"""The live sprint judged: expert rules over the series, what to do now, and what terminal, page and report draw."""
