"""nautes_adapters."""
