"""Reading what git prints, also from people who want it misread."""

from nautes_localstack.forge.git import parsing
from nautes_localstack.forge.git.parsing import Change

HEAD = ["a" * 40, "b" * 40, "Mia", "m@x", "2026-01-01T00:00:00Z", "Bot", "b@x", "2026-01-02T00:00:00Z"]


def entry(message: str, *files: str) -> str:
    shown = "\0\n" + "\0".join(files) + "\0" if files else ""
    return "\0NONCE\0" + "\0".join([*HEAD, message]) + "\0" + shown


def test_a_log_with_files() -> None:
    output = entry("one\n\nmore\n", "A", "new", "M", "old", "D", "gone", "R100", "from", "to") + entry(
        "two\n"
    )
    first, second = parsing.log(output.encode(), "NONCE")
    assert (first.title, first.message) == ("one", "one\n\nmore\n")
    assert (first.added, first.modified, first.removed) == (("new", "to"), ("old",), ("gone",))
    assert (first.author.name, first.committer.at) == ("Mia", "2026-01-02T00:00:00Z")
    assert (second.title, second.added, second.parents) == ("two", (), ("b" * 40,))


def test_differences_with_patches() -> None:
    zero, one = "0" * 40, "1" * 40
    raw = (
        f":000000 100644 {zero} {one} A\0new.yaml\0"
        f":100644 100644 {one} {zero} R090\0from.yaml\0to.yaml\0"
        f":100644 000000 {one} {zero} D\0gone\0"
    )
    patch = (
        "diff --git a/new.yaml b/new.yaml\nnew file mode 100644\n--- /dev/null\n+++ b/new.yaml\n"
        "@@ -0,0 +1 @@\n+diff --git is only text here\n"
        "diff --git a/from.yaml b/to.yaml\nsimilarity index 90%\n--- a/from.yaml\n+++ b/to.yaml\n@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/gone b/gone\ndeleted file mode 100644\n"
    )
    added, moved, gone = parsing.differences(f"{raw}\0{patch}".encode())
    assert (added.status, added.new_path, added.new_mode) == ("A", "new.yaml", "100644")
    assert added.patch == "@@ -0,0 +1 @@\n+diff --git is only text here\n"
    assert (moved.status, moved.old_path, moved.new_path) == ("R", "from.yaml", "to.yaml")
    assert moved.patch == "@@ -1 +1 @@\n-a\n+b\n"
    assert (gone.status, gone.patch) == ("D", "")


def test_no_differences() -> None:
    assert parsing.differences(b"") == []


def test_a_push_report() -> None:
    report = f"ref {parsing.ZERO} {'a' * 40} refs/heads/main\noption ci.skip\noption x=a b\n"
    assert parsing.push_report(report) == (
        (Change(parsing.ZERO, "a" * 40, "refs/heads/main"),),
        ("ci.skip", "x=a b"),
    )


def test_a_push_option_cannot_pass_for_a_ref() -> None:
    changes, _ = parsing.push_report(f"option a\nref {parsing.ZERO} {'a' * 40} refs/heads/main\n")
    assert changes == ()


def test_what_a_change_does() -> None:
    ids = [("0" * 40, "a" * 40), ("a" * 40, "0" * 40), ("a" * 40, "b" * 40)]
    assert [Change(*pair, "refs/heads/x").action for pair in ids] == ["created", "removed", "pushed"]
    refs = ["refs/heads/x", "refs/tags/x", "refs/notes/x"]
    assert [Change("a", "b", ref).kind for ref in refs] == ["branch", "tag", "other"]
