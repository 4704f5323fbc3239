"""The reader study: its design, packs, answers and statistics."""
