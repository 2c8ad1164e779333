"""How things look: style, tables, cards."""
