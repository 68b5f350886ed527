"""nautes_secret_broker."""
