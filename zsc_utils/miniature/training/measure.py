"""How good an encoder is on its own domain: nearest neighbours and a linear probe."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from zsc_utils.metrics import accuracy_by_k
from zsc_utils.miniature.training.augment import plain

BATCH = 500
K = 20


@torch.no_grad()
def embed_pixels(module: nn.Module, pixels: np.ndarray) -> torch.Tensor:
    """Embed images in evaluation mode, on the device of the module, in full precision.

    Parameters
    ----------
    module
        Maps (n, 3, h, w) to (n, d).
    pixels
        uint8, (n, h, w, 3).

    Returns
    -------
    float32, (n, d), on the CPU.
    """
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    batches = torch.from_numpy(pixels).split(BATCH)
    parts = [module(plain(batch.to(device))).float().cpu() for batch in batches]
    module.train(training)
    return torch.cat(parts)


def knn_accuracy(
    train: torch.Tensor, y_train: np.ndarray, test: torch.Tensor, y_test: np.ndarray
) -> float:
    """Accuracy of a weighted vote of the 20 nearest neighbours by cosine.

    Parameters
    ----------
    train, test
        float32, (n, d) and (m, d).
    y_train, y_test
        int64, (n,) and (m,): classes from 0.
    """
    return accuracy_by_k(train.numpy(), y_train, test.numpy(), y_test, (K,))[K]


def linear_accuracy(
    train: torch.Tensor, y_train: np.ndarray, test: torch.Tensor, y_test: np.ndarray
) -> float:
    """Accuracy of a ridge classifier on standardised embeddings; arguments as `knn_accuracy`."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1.0))
    return float(probe.fit(train.numpy(), y_train).score(test.numpy(), y_test))
