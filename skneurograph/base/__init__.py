"""Shared parts of the estimators (private): validation, seeds, batches, training."""
