"""Pretraining and fine-tuning of the miniature encoders: arrays in, weights with a card out."""

import os

# Some versions of lightly ask a server for the newest version when they are imported. Training
# needs no network.
os.environ.setdefault("LIGHTLY_DID_VERSION_CHECK", "True")
