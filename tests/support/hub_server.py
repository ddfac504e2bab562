"""Local HTTP server that mimics the Hugging Face Hub, including its failures."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

API = re.compile(
    r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|discussions)(?:/([^/]+))?)?"
)
RESOLVE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
HEADER_RANGE = "bytes=0-100000"
"""Range that huggingface_hub requests to read only the header of a safetensors file."""


@dataclass
class Repo:
    """Repository: files by commit, and commits by branch or ref name."""

    kind: str = "models"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    pull_requests: list[tuple[int, str, str]] = field(default_factory=list)
    gated: bool = False
    discussions_off: bool = False

    def commit(self, files: dict[str, bytes], name: str = "main") -> str:
        """Add a commit and point a ref to it."""
        digest = hashlib.sha1(name.encode())
        for path in sorted(files):
            digest.update(path.encode() + files[path])
        commit = digest.hexdigest()
        self.commits[commit] = files
        self.names[name] = commit
        return commit

    def pull_request(self, files: dict[str, bytes], *, author: str, status: str = "open") -> str:
        """Add a pull request like those of the safetensors converter bot."""
        number = len(self.pull_requests) + 1
        self.pull_requests.append((number, author, status))
        return self.commit(files, f"refs/pr/{number}")


@dataclass(frozen=True)
class Request:
    """A logged request and the size of its response in bytes."""

    method: str
    path: str
    range: str | None
    status: int
    sent: int


@dataclass
class HubServer:
    """Fake Hub server.

    Attributes:
        repos: Repositories by id.
        log: All requests in order of completion.
        status: If set, the status of every response, e.g. 503.
        page: If set, the HTML of every response, like a captive portal's login page.
        cuts: By file name suffix: bytes after which to truncate each of the next downloads.
        held: While cleared, downloads of weights pause half-way.
        half_way: Set when a download has paused half-way.
        pause: Delay of every response in seconds.
        ranges: Whether range requests are supported.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    status: int | None = None
    page: str | None = None
    cuts: dict[str, list[int]] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    half_way: threading.Event = field(default_factory=threading.Event)
    pause: float = 0.0
    ranges: bool = True

    def __post_init__(self) -> None:
        self.held.set()
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, repo_id: str, files: dict[str, bytes], **options: Any) -> Repo:
        """Add a repository with one commit on main."""
        repo = self.repos[repo_id] = Repo(**options)
        repo.commit(files)
        return repo

    def downloads(self, suffix: str = "") -> list[Request]:
        """Return the requests for file contents, excluding header-only requests."""
        return [
            request
            for request in self.log
            if request.method == "GET"
            and "/resolve/" in request.path
            and request.path.endswith(suffix)
            and request.range != HEADER_RANGE
        ]


class _Listener(ThreadingHTTPServer):
    hub: HubServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnecting clients, which tests cause on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def _serve(self) -> None:
        hub = self.server.hub
        url = urlsplit(self.path)
        time.sleep(hub.pause)
        if hub.status is not None:
            self._error(hub.status, None, "broken on purpose")
        elif hub.page is not None:
            self._reply(200, hub.page.encode(), {"Content-Type": "text/html"})
        elif match := RESOLVE.fullmatch(url.path):
            self._file(match[1] or "models", match[2], unquote(match[3]), unquote(match[4]))
        elif match := API.fullmatch(url.path):
            revision = unquote(match[4] or "main")
            self._api(match[1], match[2], match[3], revision)
        else:
            self._error(404, None, "no such address")

    def _api(self, kind: str, repo_id: str, part: str | None, revision: str) -> None:
        repo = self._repo(kind, repo_id)
        if repo is None:
            return
        if part == "discussions":
            self._discussions(repo, repo_id)
            return
        commit = self._commit(repo, revision)
        if commit is None:
            return
        files = repo.commits[commit]
        if part == "tree":
            self._json([_tree_entry(path, content) for path, content in files.items()])
            return
        siblings = [{"rfilename": path} for path in files]
        about = {"id": repo_id, "modelId": repo_id, "sha": commit, "siblings": siblings}
        self._json({**about, "_id": "0", "private": False, "gated": repo.gated, "tags": []})

    def _discussions(self, repo: Repo, repo_id: str) -> None:
        """List all pull requests; the library has to check their authors."""
        if repo.discussions_off:
            self._error(403, None, "Discussions are disabled for this repo")
            return
        discussions = [
            {
                "num": number,
                "title": "Adding `safetensors` variant of this model",
                "author": {"name": name},
                "status": status,
                "isPullRequest": True,
                "createdAt": "2023-01-01T00:00:00.000Z",
                "repo": {"name": repo_id, "type": "model"},
            }
            for number, name, status in repo.pull_requests
        ]
        self._json({"discussions": discussions, "count": len(discussions), "start": 0})

    def _file(self, kind: str, repo_id: str, revision: str, path: str) -> None:
        repo = self._repo(kind, repo_id)
        if repo is None:
            return
        if repo.gated and "Authorization" not in self.headers:
            self._error(401, "GatedRepo", "Access to this model is restricted.")
            return
        commit = self._commit(repo, revision)
        if commit is None:
            return
        content = repo.commits[commit].get(path)
        if content is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if path.endswith(".safetensors"):
            # Most weights on the Hub are stored in Xet, whose client cannot be interrupted.
            headers["X-Xet-Hash"] = digest
            headers["X-Xet-Refresh-Route"] = f"/api/models/{repo_id}/xet-read-token/{commit}"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or not self.server.hub.ranges:
            self._reply(200, content, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._reply(206, content[first : last + 1], headers)

    def _repo(self, kind: str, repo_id: str) -> Repo | None:
        repo = self.server.hub.repos.get(repo_id)
        if self.headers.get("Authorization") == "Bearer hf_wrong":
            self._error(401, None, "Invalid credentials in Authorization header")
            return None
        if repo is None or repo.kind != kind:
            self._error(401, "RepoNotFound", "Invalid username or password.")
            return None
        return repo

    def _commit(self, repo: Repo, revision: str) -> str | None:
        commit = repo.names.get(revision, revision)
        if commit not in repo.commits:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return commit

    def _json(self, content: Any) -> None:
        self._reply(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message, "Content-Type": "application/json"}
        if code is not None:
            headers["X-Error-Code"] = code
        self._reply(status, json.dumps({"error": message}).encode(), headers)

    def _reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        body = content if self.command == "GET" else b""
        if self.headers.get("Range") != HEADER_RANGE and "/resolve/" in self.path:
            body = self._broken(body)
        asked = self.headers.get("Range")
        self.server.hub.log.append(Request(self.command, self.path, asked, status, len(body)))
        self.wfile.write(body)

    def _broken(self, body: bytes) -> bytes:
        """Truncate a download, or delay its second half, if the test requests it."""
        hub = self.server.hub
        if self.path.endswith(".safetensors") and not hub.held.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            hub.half_way.set()
            hub.held.wait(30)
            return body[len(body) // 2 :]
        for suffix, cuts in hub.cuts.items():
            if self.command == "GET" and self.path.endswith(suffix) and cuts:
                return body[: cuts.pop(0)]
        return body


def _tree_entry(path: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    entry = {"type": "file", "oid": digest[:40], "size": len(content), "path": path}
    if path.endswith(".safetensors"):
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        entry["xetHash"] = digest
    return entry
