"""What makes copies in an augment step, one file each."""
