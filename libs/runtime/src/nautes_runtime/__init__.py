"""nautes_runtime."""
