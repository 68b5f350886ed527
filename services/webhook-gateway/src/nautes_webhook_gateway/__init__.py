"""GitLab's HTTP in, durable deliveries out. Nothing else."""
