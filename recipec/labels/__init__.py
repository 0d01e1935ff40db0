"""The algorithms under a label step: vote patterns, label models, agreement."""
