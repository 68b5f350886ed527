"""Pipelines as GitLab CI has them: configuration, states. Runners are asked for by their own protocol; none runs here."""
