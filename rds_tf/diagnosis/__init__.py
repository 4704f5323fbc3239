"""From a radiograph to a diagnosis: classifier, heat maps, one file in and out."""
