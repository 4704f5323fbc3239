"""The reading room: readers judge the films of a pack in a browser."""
