#!/usr/bin/python3
"""A site in Python with Sluice: it signs people in, and publishes what they write.

    SLUICE_DIR=/var/lib/sluice app.py 9000

behind a web server that has Sluice; scripts/examples/run does that. Environment: SLUICE_DIR, the folder that
`sluicectl init` made; SLUICE_COOKIE, the cookie's name (__Host-sluice).
"""

import json
import os
import re
import secrets
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from session import mint, open_session

SITE = Path(os.environ["SLUICE_DIR"])
COOKIE = os.environ.get("SLUICE_COOKIE", "__Host-sluice")
TTL = timedelta(minutes=15)
HERE = Path(__file__).resolve().parent.parent
FILES = {
    "/": ("text/html", HERE / "page/index.html"),
    "/page.js": ("text/javascript", HERE / "page/page.js"),
    "/page.css": ("text/css", HERE / "page/page.css"),
    "/sluice.js": ("text/javascript", HERE.parent / "sluice.js"),
}


def log_db():
    return closing(sqlite3.connect(SITE / "sluice.db"))


def cookie_line(token, ttl):
    secure = "; Secure" if COOKIE.startswith("__Host-") else ""
    age = int(ttl.total_seconds())
    return f"{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def new_session(name, jti):
    """The cookie of a session. `jti` stays the same when it is renewed, so that signing out ends all its tokens."""
    now = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
    claims = {
        "sub": name,
        "jti": jti,
        "iat": f"{now.isoformat()}Z",
        "exp": f"{(now + TTL).isoformat()}Z",
        "channels": ["chat/*", f"user/{name}"],
    }
    return cookie_line(mint(SITE / "keys/secret.key", claims), TTL)


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path not in FILES:
            return self.finish_with(404)
        kind, file = FILES[self.path]
        return self.finish_with(200, {"Content-Type": f"{kind}; charset=utf-8"}, file.read_bytes())

    def do_POST(self):
        # Only our own pages may change something: a browser names the page's origin with every POST.
        if urlsplit(self.headers.get("Origin", "")).netloc != self.headers.get("Host"):
            return self.finish_with(403)
        self.body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 2000))
        actions = {"/login": self.login, "/renew": self.renew, "/publish": self.publish, "/logout": self.logout}
        action = actions.get(self.path)
        if action is None:
            return self.finish_with(404)
        if action == self.login:
            return self.login()
        claims = self.session()
        return action(claims) if claims else self.finish_with(401)

    def login(self):
        name = parse_qs(self.body.decode("utf-8", "replace")).get("name", [""])[0]
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", name):
            return self.finish_with(400)
        cookie = new_session(name, secrets.token_urlsafe(12))
        return self.finish_with(303, {"Location": "/", "Set-Cookie": cookie})

    def renew(self, claims):
        return self.finish_with(204, {"Set-Cookie": new_session(claims["sub"], claims["jti"])})

    def publish(self, claims):
        data = json.dumps({"from": claims["sub"], "text": self.body.decode("utf-8", "replace")})
        with log_db() as db, db:
            db.execute("INSERT INTO publish(channel, type, data) VALUES (?, ?, ?)", ("chat/lobby", "said", data))
        return self.finish_with(204)

    def logout(self, claims):
        with log_db() as db, db:
            db.execute("INSERT INTO revocations(jti) VALUES (?)", (claims["jti"],))
        return self.finish_with(303, {"Location": "/", "Set-Cookie": cookie_line("", timedelta())})

    def session(self):
        """The claims of the one who is signed in, or None."""
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return open_session(SITE / "keys/public.key", cookie.value) if cookie else None

    def finish_with(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Site).serve_forever()
