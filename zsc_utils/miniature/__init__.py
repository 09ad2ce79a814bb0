"""The miniature: a rendered world, encoders pretrained on it, and their training."""
