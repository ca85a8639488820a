"""Images to embeddings: through the pipeline, from a file or the cache, in parts; compares nothing."""
