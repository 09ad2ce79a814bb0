"""Training: images in, weights with a card out.

The modules here pretrain and fine-tune the miniature encoders; `finetuning` fine-tunes the study's.
"""

import os

# Some versions of lightly ask a server for the newest version when they are imported. Training
# needs no network.
os.environ.setdefault("LIGHTLY_DID_VERSION_CHECK", "True")
