"""How the votes of a row become one label, one file each."""
