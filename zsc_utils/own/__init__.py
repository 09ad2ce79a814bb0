"""Someone's own images: from a folder without labels to groups, and how far to trust them."""
