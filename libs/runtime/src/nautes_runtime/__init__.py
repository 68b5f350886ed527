"""How a service of Nautes runs: settings, logs, bus, records, locks, subscriptions, health. No product logic."""
