"""nautes_cli."""
