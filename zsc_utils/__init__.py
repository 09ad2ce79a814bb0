"""Clustering of unseen datasets with pretrained image encoders.

The rooms, in the order in which data goes through them: `recipes`, `datasets`,
`encoders`, `embed`, `reduce`, `cluster`, `score`, `store`, `profiles`, `sweep`,
`analysis`, `plots`, `cli`. A room imports only rooms that come before it.
"""
