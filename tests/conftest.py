"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# Machines differ in speed: a deadline would turn a slow one into a failing one.
settings.register_profile("nautes", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nautes")
