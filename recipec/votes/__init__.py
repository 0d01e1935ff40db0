"""What votes in a label step, one file each."""
