"""Project webhooks: what is sent, signed, tried and given up, as GitLab does it."""
