"""Reading manifests out of an archive that somebody hostile may have pushed."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_adapters.gitlab.archive import Limits, manifests
from nautes_domain.failures import Failure, Rejected, Retry

COMMIT = "a" * 40


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def packed(files=(), extra=(), comment=COMMIT):
    """An archive as `git archive` makes it: one folder in front, the commit in the global comment."""
    buffer = io.BytesIO()
    headers = {"comment": comment} if comment else {}
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        archive.addfile(member("src-x/", tarfile.DIRTYPE))
        for path, content in dict(files).items():
            archive.addfile(member(f"src-x/{path}", size=len(content)), io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def code_of(archive, limits=None):
    with pytest.raises(Rejected) as caught:
        manifests(archive, COMMIT, limits or Limits())
    return caught.value.code


def test_manifests_alone_are_returned():
    files = {"a.yaml": b"1", "b/c.yml": b"2", "README.md": b"3", "yaml": b"4", "x.yaml.j2": b"5"}
    assert dict(manifests(packed(files), COMMIT)) == {"a.yaml": b"1", "b/c.yml": b"2"}


def test_an_empty_repository_has_no_manifests():
    assert dict(manifests(packed(), COMMIT)) == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("path", ["a.yaml", "folder-like"])
def test_links_and_special_files_are_refused_wherever_they_are(kind, path):
    assert code_of(packed(extra=[member(f"src-x/{path}", kind, "/etc/passwd")])) == "symlink"


def test_a_submodule_is_refused():
    assert code_of(packed({"a.yaml": b""}, [member("src-x/vendored/", tarfile.DIRTYPE)])) == "submodule"


def test_a_folder_with_files_is_no_submodule():
    archive = packed(
        {"b/c/d.yaml": b"1"}, [member("src-x/b/", tarfile.DIRTYPE), member("src-x/b/c/", tarfile.DIRTYPE)]
    )
    assert dict(manifests(archive, COMMIT)) == {"b/c/d.yaml": b"1"}


@pytest.mark.parametrize(
    "limits",
    [
        Limits(file=9),
        Limits(total=19),
        Limits(files=1),
        Limits(unpacked=1000),
        Limits(entries=2),
    ],
)
def test_every_limit_holds(limits):
    archive = packed({"a.yaml": b"x" * 10, "b.yaml": b"x" * 10})
    assert len(manifests(archive, COMMIT)) == 2
    assert code_of(archive, limits) == "too-large"


def test_files_that_are_not_manifests_do_not_count_as_such():
    archive = packed({"big.bin": b"x" * 5000, "a.yaml": b"1"})
    assert dict(manifests(archive, COMMIT, Limits(file=10, total=10, files=1))) == {"a.yaml": b"1"}


def test_a_small_archive_that_swells_is_refused():
    bomb = packed({"zeros.bin": bytes(8 * 1024 * 1024)})
    assert len(bomb) < 20_000
    assert code_of(bomb, Limits(unpacked=1024 * 1024)) == "too-large"


def test_the_archive_of_another_commit_is_fetched_again():
    with pytest.raises(Retry):
        manifests(packed({"a.yaml": b"1"}, comment="b" * 40), COMMIT)


@given(st.data())
def test_an_archive_that_breaks_off_is_never_taken_for_a_smaller_one(data):
    whole = packed({f"{n}.yaml": bytes([n]) * 700 for n in range(5)})
    cut = data.draw(st.integers(0, len(whole) - 9))
    with pytest.raises(Retry):
        manifests(whole[:cut], COMMIT)


@given(st.binary(max_size=2000))
def test_garbage_is_a_failure_of_ours(garbage):
    for archive in (garbage, gzip.compress(garbage)):
        try:
            found = manifests(archive, COMMIT)
        except Failure:
            continue
        assert dict(found) == {}
