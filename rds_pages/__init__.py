"""Pages in a browser: the reading room, the exhibition and the paper kit."""
