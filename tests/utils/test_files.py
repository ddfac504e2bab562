"""Atomic folders and files, locks, and error messages for full or read-only disks."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from safetensors import SafetensorError

from compress_lib.errors import CompressionError, StoppedError
from compress_lib.utils.files import (
    atomic_folder,
    atomic_write,
    check_room,
    disk_errors,
    home,
    lock,
    read_json,
    unfinished_prefix,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_home_is_the_named_folder_or_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPRESS_LAB_HOME", "~/lab")
    assert home() == Path.home() / "lab"
    monkeypatch.delenv("COMPRESS_LAB_HOME")
    assert home().name == "compress-lab"


# Folders.


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    goal = tmp_path / "deep" / "goal"
    with atomic_folder(goal) as unfinished:
        (unfinished / "a").write_text("1", encoding="utf-8")
        assert unfinished.parent == goal.parent
        assert not goal.exists()
    assert names(goal) == ["a"]
    assert names(goal.parent) == ["goal"]
    assert goal.stat().st_mode & 0o777 == 0o755


def test_a_folder_is_replaced_at_the_end(tmp_path: Path) -> None:
    goal = tmp_path / "goal"
    for content in ("old", "new"):
        with atomic_folder(goal) as unfinished:
            (unfinished / content).write_text("1", encoding="utf-8")
            assert not goal.exists() or names(goal) == ["old"]
    assert names(goal) == ["new"]
    assert names(tmp_path) == ["goal"]


@pytest.mark.parametrize("error", [ValueError("mine"), StoppedError(), KeyboardInterrupt()])
def test_any_error_leaves_the_old_folder(tmp_path: Path, error: BaseException) -> None:
    goal = tmp_path / "goal"
    with atomic_folder(goal) as unfinished:
        (unfinished / "old").write_text("1", encoding="utf-8")
    with pytest.raises(type(error)), atomic_folder(goal) as unfinished:
        (unfinished / "new").write_text("1", encoding="utf-8")
        raise error
    assert names(goal) == ["old"]
    assert names(tmp_path) == ["goal"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    goal, other = tmp_path / "model", tmp_path / "model~2"
    (tmp_path / f"{unfinished_prefix(goal)}left").mkdir()
    (tmp_path / f"{unfinished_prefix(other)}left").mkdir()
    with lock(goal), atomic_folder(goal):
        pass
    assert "model" in names(tmp_path)
    assert [n for n in names(tmp_path) if "left" in n] == [f"{unfinished_prefix(other)}left"]


def test_one_at_a_time(tmp_path: Path) -> None:
    goal, order = tmp_path / "goal", []
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with lock(goal):
            inside.set()
            leave.wait(10)
            order.append("first")

    def wait() -> None:
        order.append("waiting")
        leave.set()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with lock(goal, wait):
        order.append("second")
    thread.join()
    assert order[0] == "waiting"
    assert order[-2:] == ["first", "second"]


def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    def give_up() -> None:
        raise StoppedError

    with lock(tmp_path / "goal"):
        with pytest.raises(StoppedError), lock(tmp_path / "goal", give_up):
            pytest.fail("two are inside")
        assert (tmp_path / "goal.lock").exists()
    with lock(tmp_path / "goal"):
        pass


# Files.


def test_a_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "deep" / "record.json"
    atomic_write(file, "é\n")
    assert file.read_bytes() == "é\n".encode()
    assert file.stat().st_mode & 0o777 == 0o644

    def full(source: Path, goal: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CompressionError, match="The disk is full"):
        atomic_write(file, "new")
    assert file.read_text(encoding="utf-8") == "é\n"
    assert names(file.parent) == ["record.json"]


def test_a_file_in_the_place_of_a_folder_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CompressionError, match=r"cannot be written \("):
        atomic_write(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("content", [None, "", "{", "\ud800", b"\xff\xfe"])
def test_json_that_cannot_be_read_is_none(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "some.json"
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
        file.write_bytes(data)
    assert read_json(file) is None
    assert read_json(file / "below") is None


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text('{"a": [1, "é"]}', encoding="utf-8")
    assert read_json(tmp_path / "some.json") == {"a": [1, "é"]}


# Disks.


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x"), "The disk is full: place"),
        (OSError(errno.EDQUOT, "x"), "The disk is full: place"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (PermissionError(errno.EACCES, "x"), r"place cannot be written \(Permission denied\)"),
        (OSError(errno.EROFS, "x"), "Read-only file system"),
        (SafetensorError("I/O error: Permission denied (os error 13)"), "Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "x"), "Not a directory"),
    ],
)
def test_a_disks_errors_are_sentences(error: Exception, sentence: str) -> None:
    with pytest.raises(CompressionError, match=sentence) as caught, disk_errors(Path("place")):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [OSError("no number"), OSError(errno.EIO, "x"), SafetensorError("x"), ValueError("x")]
)
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, disk_errors(Path("place")):
        raise error
    assert caught.value is error


def test_room_is_looked_for_where_the_place_would_be(tmp_path: Path) -> None:
    check_room(tmp_path / "not" / "yet" / "there", 1, "It")
    check_room(Path("relative") / "place", 1, "It")
    assert not (tmp_path / "not").exists()


def test_too_little_room_says_how_much_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CompressionError) as caught:
        check_room(tmp_path / "new", 10**18, "The download")
    message = str(caught.value)
    assert message.startswith(f"The download needs 1000000000 GB in {tmp_path}, but only ")
    assert message.endswith(
        "free. Free some space, or set COMPRESS_LAB_HOME to a folder on a larger disk."
    )
    with pytest.raises(CompressionError, match="set HF_HOME"):
        check_room(tmp_path, 10**18, "It", "HF_HOME")
    with pytest.raises(CompressionError, match="choose a folder on a larger disk"):
        check_room(tmp_path, 10**18, "It", None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_forbidden_place_gets_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(CompressionError, match=r"cannot be written \("),
        atomic_folder(tmp_path / "goal"),
    ):
        pass
    tmp_path.chmod(0o700)
