"""nautes_domain."""
