"""nautes_webhook_gateway."""
