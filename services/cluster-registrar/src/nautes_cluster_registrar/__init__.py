"""nautes_cluster_registrar: Cluster manifests in; registered, bootstrapped clusters out."""
