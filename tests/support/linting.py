"""`nautes lint` called in this process, and trees of files for it."""

import json

from typer.testing import CliRunner

from nautes_cli.__main__ import app
from support.rule_cases import ROOTS

RUNNER = CliRunner()


def lint(*arguments):
    return RUNNER.invoke(app, ["lint", *map(str, arguments)])


def linted(*arguments):
    result = lint(*arguments, "-o", "json")
    assert result.exit_code in {0, 1}, result.output
    document = json.loads(result.stdout)
    assert result.exit_code == bool(document["violations"])
    return document


def written(folder, files):
    for path, text in files.items():
        place = folder / ROOTS[path[0]] / path[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder
