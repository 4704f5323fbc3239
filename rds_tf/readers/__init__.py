"""The reader study: design, packs, answers, multi-reader multi-case statistics."""
