"""What an evaluate step measures, one file a family."""
