"""STYLE.md: files stay small enough to be read in one go."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [path for part in ("libs", "services", "cli") for path in (ROOT / part).rglob("*.py")]


def test_files_and_functions_are_small():
    found = []
    for path in SOURCES:
        text = path.read_text()
        if text.count("\n") > 400:
            found.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > 50:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert len(SOURCES) > 50
    assert found == []
