"""Light homes by the thousand against one exchange: what it carries, and whether every answer is right."""
