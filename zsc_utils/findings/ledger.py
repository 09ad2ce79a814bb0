"""The ledger of claims, in Markdown."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import VERDICTS
from zsc_utils.findings.base import bullets


def claims(ledger: pd.DataFrame, profile: str, description: str) -> str:
    """Say how many claims hold on a profile, and which.

    Parameters
    ----------
    ledger
        As `analysis.claims_ledger` gives it.
    profile
        Its name.
    description
        What the profile says of itself.
    """
    judged = ledger.drop_duplicates("id")
    sentences = []
    for verdict in VERDICTS:
        here = judged.loc[judged["claim_verdict"] == verdict, "id"]
        listed = f" ({', '.join(here)})" if len(here) else ""
        sentences.append(f"**{verdict}**: {len(here)} of {len(judged)} claims{listed}.")
    opening = f"On the profile `{profile}` ({description.rstrip('.')}):"
    return f"{opening}\n\n{bullets(sentences)}"
