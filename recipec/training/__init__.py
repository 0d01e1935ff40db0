"""Fine-tuning, one file a task."""
