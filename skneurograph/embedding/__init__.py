"""Where the state of a population is: the geometry that embeddings of flow fields rest on."""
