"""Downloads, from a server on this machine that can break off."""

import hashlib
import io
import tarfile
import threading
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from paper_trees import TREES

from zsc_utils.datasets import load_dataset
from zsc_utils.datasets.study import fetch as fetching
from zsc_utils.datasets.study.fetch import PART, SUMS, download, fetch
from zsc_utils.datasets.study.tables import sources_table
from zsc_utils.errors import DownloadError


class Server(BaseHTTPRequestHandler):
    """Serves `files`; knows ranges if `ranges`; sends only `limit` bytes of each answer."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        data = server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.end_headers()
                return
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:][: server.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.files, server.asked, server.ranges, server.limit = {}, [], True, None
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def served(server, tmp_path, monkeypatch):
    """Serve the tree of a dataset as an archive, from which it is downloaded; return the root."""

    def serve(name, folder, **members):
        TREES[name][0](tmp_path / "theirs")
        archive = packed(tmp_path / "theirs" / folder, **members)
        server.files["/data.tar.gz"] = archive
        table = sources_table().copy()
        table.loc[name, "download"] = f"{server.address}/data.tar.gz"
        monkeypatch.setattr(fetching, "sources_table", lambda: table)
        root = tmp_path / "ours"
        root.mkdir()
        return root

    return serve


def packed(folder, **members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.add(folder, folder.name)
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("UP", "../"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def left_overs(root):
    found = [path for path in (root / ".downloads").rglob("*") if path.is_file()]
    return [path for path in found if path.name != SUMS]


def test_fetch_unpacks_to_where_it_is_read(served):
    root = served("imagenet-o", "imagenet-o")
    fetch("imagenet-o", root)
    assert len(load_dataset("imagenet-o", root)) == 6
    assert not left_overs(root)


def test_a_download_that_broke_off_goes_on(served, server):
    root = served("imagenet-o", "imagenet-o")
    size = len(server.files["/data.tar.gz"])
    server.limit = size // 2
    with pytest.raises(DownloadError, match="imagenet-o"):
        fetch("imagenet-o", root)
    assert not (root / "imagenet-o").exists()
    assert [path.stat().st_size for path in left_overs(root)] == [size // 2]
    server.limit = None
    fetch("imagenet-o", root)
    assert server.asked == [None, f"bytes={size // 2}-"]
    assert len(load_dataset("imagenet-o", root)) == 6


@pytest.mark.parametrize(
    ("ranges", "part"), [(False, b"some"), (True, b"0123456789"), (True, b"x" * 99)]
)
def test_parts_that_do_not_fit_are_not_joined(server, tmp_path, ranges, part):
    """The server knows no ranges; all is there already; the part is longer than the file."""
    server.files["/file"], server.ranges = b"0123456789", ranges
    (tmp_path / f"file{PART}").write_bytes(part)
    download(f"{server.address}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_archive_cannot_write_outside_its_folder(served):
    root = served("imagenet-o", "imagenet-o", UPUPUPUPescaped=b"data")
    with pytest.raises(DownloadError, match="imagenet-o"):
        fetch("imagenet-o", root)
    assert not list(root.parent.rglob("*escaped")) and not (root / "imagenet-o").exists()


def test_a_damaged_archive_is_fetched_anew(served, server):
    root = served("imagenet-o", "imagenet-o")
    good = server.files["/data.tar.gz"]
    server.files["/data.tar.gz"] = good[: len(good) // 2]
    with pytest.raises(DownloadError, match="imagenet-o"):
        fetch("imagenet-o", root)
    server.files["/data.tar.gz"] = good
    fetch("imagenet-o", root)
    assert len(load_dataset("imagenet-o", root)) == 6


def test_the_sum_of_an_archive_is_recorded_and_holds_for_the_next_time(served, server):
    root = served("imagenet-o", "imagenet-o")
    fetch("imagenet-o", root)
    (line,) = (root / ".downloads" / SUMS).read_text().splitlines()
    first = server.files["/data.tar.gz"]
    digest = hashlib.sha256(first).hexdigest()
    assert line == f"{digest}  {server.address}/data.tar.gz"
    fetch("imagenet-o", root)
    server.files["/data.tar.gz"] = packed(root / "imagenet-o", more=b"another file")
    with pytest.raises(DownloadError, match=f"was {digest} before.*remove its line"):
        fetch("imagenet-o", root)
    # Nothing of it stays: neither among the data nor to be unpacked next time.
    assert not (root / "more").exists() and not left_overs(root)
    assert len(load_dataset("imagenet-o", root)) == 6


def test_torchvision_downloads_are_moved_when_they_are_whole(served, server, monkeypatch):
    from torchvision.datasets import DTD

    root = served("dtd", "dtd/dtd")
    sources = fetching.sources_table()
    sources.loc["dtd", "download"] = "torchvision"
    archive = server.files["/data.tar.gz"]
    monkeypatch.setattr(DTD, "_URL", f"{server.address}/data.tar.gz")
    monkeypatch.setattr(DTD, "_MD5", md5(archive).hexdigest())
    # What a killed run had begun to unpack, which torchvision would take for all of it.
    half = root / ".downloads" / "dtd" / "content" / "dtd" / "dtd" / "images"
    half.mkdir(parents=True)
    (half / "half.jpg").write_bytes(b"")
    # Files of the reader's own in the place stay.
    (root / "dtd").mkdir()
    (root / "dtd" / "own.txt").write_text("mine")
    # It breaks off, and goes on where it stopped.
    server.limit = len(archive) // 2
    with pytest.raises(DownloadError, match="run again to go on"):
        fetch("dtd", root)
    assert not list(root.rglob("half.jpg")) and not (root / "dtd" / "dtd").exists()
    server.limit, before = None, len(server.asked)
    fetch("dtd", root)
    assert f"bytes={len(archive) // 2}-" in server.asked[before:]
    assert len(load_dataset("dtd", root)) == 6
    assert not list(root.rglob("half.jpg")) and not list(root.rglob("*.gz"))
    assert (root / "dtd" / "own.txt").read_text() == "mine"

    monkeypatch.setattr(DTD, "_MD5", "0" * 32)
    with pytest.raises(DownloadError, match="corrupted"):
        fetch("dtd", root)


def test_what_must_be_asked_for_and_what_is_not_there(served, server, tmp_path):
    with pytest.raises(DownloadError, match=r"nabirds must be asked for at https://.*images\.txt"):
        fetch("nabirds", tmp_path)
    root = served("imagenet-o", "imagenet-o")
    server.files.clear()
    with pytest.raises(DownloadError, match="HTTPError.*404.*see https://github.com/hendrycks"):
        fetch("imagenet-o", root)


def test_servers_that_fail_are_told_in_one_line(server, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", [f"{server.address}/a/", f"{server.address}/b/"])
    with pytest.raises(DownloadError, match=r"cannot download mnist .*/a/.*404.*/b/") as caught:
        fetch("mnist", tmp_path)
    assert "\n" not in str(caught.value)


def test_every_download_is_known_to_torchvision_or_has_an_address():
    import torchvision.datasets

    downloads = sources_table()["download"]
    assert set(downloads.index[downloads == "torchvision"]) == set(fetching.TORCHVISION)
    assert all(hasattr(torchvision.datasets, kind) for kind, _ in fetching.TORCHVISION.values())
    others = downloads[~downloads.isin(["torchvision", ""])]
    assert all(a.startswith(("http://", "https://")) for row in others for a in row.split())
