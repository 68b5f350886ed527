"""nautes_secret_broker: the only writer of the secret store."""
