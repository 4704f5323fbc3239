"""Report the study: tables, pages, readers."""
