"""Web pages on one machine: the reading room and the exhibition."""
