"""The command line as a program of its own."""

import subprocess
import sys


def test_help_does_not_load_what_only_commands_need():
    code = (
        "import sys, nautes_cli.__main__; "
        "print([m for m in ('httpx', 'pydantic', 'psutil', 'nats', 'nautes_localstack') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "[]"


def test_without_arguments_it_shows_its_help():
    told = subprocess.run([sys.executable, "-m", "nautes_cli"], check=False, capture_output=True, text=True)
    assert "local" in told.stdout + told.stderr
    assert told.returncode == 2
