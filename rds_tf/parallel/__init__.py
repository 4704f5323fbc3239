"""Many items at once: in processes, on a cluster, one bad item at a time."""
