"""Reports: tables of scores, and one page for each run."""
