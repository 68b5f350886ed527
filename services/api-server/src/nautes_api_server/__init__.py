"""nautes_api_server."""
