"""Someone's own images: unlabelled folders, embedded, clustered, and shown as a report."""
