"""nautes_localstack."""
