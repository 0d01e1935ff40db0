"""Augmenters: one file each, found by the decorator ``@augmenter("name")``. What one is: :mod:`recipec.augmenters._base`."""
