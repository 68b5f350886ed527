"""nautes_reconciler."""
