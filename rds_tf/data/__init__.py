"""From a table of radiographs to tensors: the room that notebook 01 walks through."""
