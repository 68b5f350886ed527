"""GitLab's REST API v4, as far as the platform and its people use it."""
