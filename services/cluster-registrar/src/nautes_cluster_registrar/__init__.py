"""nautes_cluster_registrar."""
