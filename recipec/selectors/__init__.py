"""What chooses rows in a select step, one file each."""
