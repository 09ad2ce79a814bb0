"""Colours that can be told apart, on white and on black."""

import re

# Colours of clusters, which are taken again after the last: of neighbours, no two are alike, and
# all can be seen on white and on black. First those of seaborn's palette for the colour-blind but
# its grey, which marks absence, and its yellow; then three wheels of hues (husl), in steps of five.
PALETTE = [
    f"#{color}"
    for color in re.findall(
        r"\w+",
        "0173b2 de8f05 029e73 d55e00 cc78bc ca9161 fbafe4 56b4e9 f25057 609934 3b94b0 ee3ebf "
        "9a8a35 38988e b367ec cd7335 359c5b 3e90ce f04896 839134 3a979e e042e4 b08235 379a7c "
        "787fec e18d8f 82b167 70acc4 dd89c0 b2a467 6cb0a7 b995db e09168 68b47f 75a8db df8baa "
        "9eaa67 6eaeb4 d887db c69d67 6bb298 9c9fdb ca4a4f 5d7f48 4f7c8d b55197 807649 4c7f78 "
        "975bc5 a26749 4a815a 5179a0 bf4e7e 727a49 4e7e82 ab54ad 8f7149 4b806d 686dc5 ",
    )
]
