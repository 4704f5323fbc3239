"""Reports: one HTML page for each run, and the tables in it."""
