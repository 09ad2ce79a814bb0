"""Someone's own images: from a folder without labels to clusters, and how far to trust them."""
