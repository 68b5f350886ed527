"""`make bench`: every measurement, one after the other."""

import subprocess
import sys

MODULES = ("bench.gateway", "bench.pushes", "bench.rates", "bench.lint", "bench.frameworks", "bench.api")

for module in MODULES:
    print(f"== {module}", flush=True)
    subprocess.run([sys.executable, "-m", module], check=True)
