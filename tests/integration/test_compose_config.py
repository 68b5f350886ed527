"""docker-compose.yml as Compose itself reads it: both generations take it, with every profile."""

import shutil
import subprocess

import pytest
import yaml

from support import compose_file
from support.compose_file import ROOT


def programs():
    found = []
    if (docker := shutil.which("docker")) and not subprocess.run(
        [docker, "compose", "version"], capture_output=True, check=False
    ).returncode:
        found.append((docker, "compose"))
    if compose := shutil.which("docker-compose"):
        found.append((compose,))
    return found


@pytest.fixture(params=programs() or [()], ids=" ".join)
def compose(request):
    if not request.param:
        pytest.skip("no Compose: apt-get install docker-compose")

    def ask(*arguments):
        command = [*request.param, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "variable is not set" not in done.stderr
        return done.stdout

    return ask


@pytest.mark.parametrize("profile", ["", "full", "observe"])
def test_the_file_is_taken(compose, profile):
    options = ("--env-file", f"deploy/compose/{profile}.env") if profile else ()
    found = yaml.safe_load(compose(*options, "config"))["services"]
    variables = compose_file.env_file(profile) if profile else {}
    for name, expected in compose_file.load(**variables)["services"].items():
        if profile in expected.get("profiles", [profile]):
            assert set(compose_file.environment(found[name])) == set(compose_file.environment(expected))


def test_a_profile_adds_and_takes_nothing_away(compose):
    without = set(compose("config", "--services").split())
    assert without <= set(compose("--env-file", "deploy/compose/full.env", "config", "--services").split())
