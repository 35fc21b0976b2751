"""Between guard and agent: two kinds of frozen messages, and how they are framed."""
