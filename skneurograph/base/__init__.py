"""What estimators share: validation, seeds, batches, training. Nothing here is public."""
