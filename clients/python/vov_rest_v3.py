"""REST calls to vovserver through vov-gateway: a drop-in for the vendor's module of the same name.

    import vov_rest_v3

    vrest = vov_rest_v3.VOVRestV3()
    vrest.authorize("https://gateway.example.com:8443")
    print(vrest.submitRequest("GET", "https://gateway.example.com:8443/api/v3/project/1/project"))

The four documented methods are there: authorize, submitRequest, getJWT and setJWT. What is different:

* TLS is verified, always. A private authority is named by verify="/path/ca.pem", $VOVGW_CA_FILE, or `vovgw login --ca-file`.
* authorize() without a password takes the token of $VOVGW_TOKEN, else of `vovgw login`.
* A token that has ended is renewed once by the way it came, and the call that was refused with 401 is sent again.
* The token goes to the server of authorize() only, never by a redirect, and over plain http to this machine only.
* Errors are exceptions: every one is a VOVError.

One object may be used by several threads. Python 3.6 or newer with the package requests.
"""

import json
import os
import stat
import threading
from urllib.parse import urlsplit

import requests

__all__ = [
    "VOVRestV3",
    "VOVError",
    "VOVUsageError",
    "VOVConnectionError",
    "VOVCertificateError",
    "VOVOutcomeUnknown",
    "VOVRequestError",
    "VOVAuthError",
    "VOVLimitError",
]

TIMEOUT = (10, 330)
"""Seconds to connect, and to wait between two pieces of an answer: longer than the gateway itself waits for vovserver."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD")


class VOVError(Exception):
    """Whatever goes wrong in this module."""


class VOVUsageError(VOVError):
    """It was called wrongly, or there is nothing to sign in with. Nothing was sent."""


class VOVConnectionError(VOVError):
    """The gateway cannot be reached. Nothing was executed."""


class VOVCertificateError(VOVConnectionError):
    """The gateway's certificate is not trusted. Nothing was sent, the token least of all."""


class VOVOutcomeUnknown(VOVError):
    """A call that changes something was sent, and its answer was lost: look before you send it again."""


class VOVRequestError(VOVError):
    """The gateway or vovserver refused the call.

    status is the HTTP status, code the GW_... code when the gateway itself refused (else None), request_id what the
    administrator finds it by, retry_after the seconds to wait (or None), body the whole answer.
    """

    def __init__(self, method, path, response):
        self.status = response.status_code
        self.body = response.text
        problem = _json_object(self.body)
        self.code = problem.get("code")
        self.request_id = response.headers.get("X-Request-Id")
        self.retry_after = _seconds(response.headers.get("Retry-After"))
        reason = problem.get("error") or problem.get("detail") or response.reason or "no reason given"
        super().__init__(
            "{} {}: {} {}{}{}".format(
                method,
                path,
                self.status,
                reason,
                " [{}]".format(self.code) if self.code else "",
                " (request {})".format(self.request_id) if self.request_id else "",
            )
        )


class VOVAuthError(VOVRequestError):
    """401: the token or password is not valid, and no other could be had."""


class VOVLimitError(VOVRequestError):
    """429 or 503: wait retry_after seconds. 429 is the caller's own limit, 503 that vovserver or the gateway is busy."""


def _json_object(text):
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(text):
    return int(text) if text is not None and text.isdigit() else None


def _origin(url):
    """Scheme, host and port of an URL; raises VOVUsageError for what is none, or would send a token in clear."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise VOVUsageError("%r is no URL; write https://host:port" % (url,)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise VOVUsageError("%r is no URL; write https://host:port" % (url,))
    if parts.username is not None or parts.password is not None:
        raise VOVUsageError("the URL holds a user name or password; give them to authorize()")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise VOVUsageError("%s would send the token in clear; use https://" % (url,))
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def _base(url):
    """scheme://host:port of an URL."""
    _origin(url)
    parts = urlsplit(url)
    return "%s://%s" % (parts.scheme, parts.netloc)


def login_file():
    """Where `vovgw login` keeps its token."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(folder, "vovgw", "login.json")


def _read_login(origin):
    """What `vovgw login` wrote for this server, or None. Raises VOVUsageError for a file that is not private."""
    path = login_file()
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VOVUsageError("cannot read %s: %s" % (path, error.strerror)) from None
    with os.fdopen(handle, encoding="utf-8") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.getuid():
            raise VOVUsageError("%s belongs to another user; remove it and run `vovgw login`" % path)
        if stat.S_IMODE(about.st_mode) & 0o077:
            raise VOVUsageError("others may read %s: run chmod 600 on it, then `vovgw login` for a new token" % path)
        login = _json_object(file.read())
    if not isinstance(login.get("url"), str) or not isinstance(login.get("token"), str):
        raise VOVUsageError("%s is damaged; run `vovgw login`" % path)
    return login if _origin(login["url"]) == origin else None


class _Bearer(requests.auth.AuthBase):
    """Sets the header by itself, so that no entry of ~/.netrc can replace it."""

    def __init__(self, token):
        self._token = token

    def __call__(self, request):
        if self._token:
            request.headers["Authorization"] = "Bearer " + self._token
        return request


class VOVRestV3:
    """A signed-in connection to one gateway (or to a vovserver itself)."""

    def __init__(self, verify=None, timeout=TIMEOUT):
        """verify is the path of a CA bundle; None takes $VOVGW_CA_FILE, `vovgw login`'s, or the system's authorities."""
        if verify is False:
            raise VOVUsageError("TLS is always verified; name the authority's certificate: verify='/path/ca.pem'")
        self._verify = verify
        self._timeout = timeout
        self._session = requests.Session()
        self._lock = threading.Lock()
        self._origin = None
        self._base = None
        self._token = ""
        self._renew = None

    def authorize(self, url, password="", username=""):
        """Signs in; raises VOVError when it fails.

        password is an access token of the gateway (or, where the gateway allows it, the vovserver password); without one
        the token of $VOVGW_TOKEN or of `vovgw login` is used. username is $USER when not given.
        """
        if username.startswith("vgw_") and not password.startswith("vgw_"):
            # The vendor's heading names the user first, its text and examples the password.
            username, password = password, username
        self._origin = _origin(url)
        self._base = _base(url)
        self._renew = self._by_password(username, password) if password else self._by_token
        with self._lock:
            self._token = self._renew()
        if not password:
            response = self._send("GET", self._base + "/gateway/v1/me", None, None, self._token)
            if response.status_code >= 300:
                raise self._refused("GET", "/gateway/v1/me", response)

    def submitRequest(self, method, url, queryParams=None, jsonData=None):
        """Sends one request and gives the text of the answer; raises VOVRequestError for a status of 300 or more.

        url is the whole URL, or a path such as /api/v3/jobs on the server of authorize(). jsonData goes out with POST, PUT
        and PATCH. A call that changes something is never sent twice, except when it was refused with 401.
        """
        method = method.upper()
        url = self._checked(url)
        data = None if method in _SAFE or (method == "DELETE" and not jsonData) else (jsonData or {})
        token = self._token
        if not token:
            raise VOVUsageError("call authorize() or setJWT() first")
        response = self._send(method, url, queryParams, data, token)
        if response.status_code == 401:
            fresh = self._renewed(token)
            if fresh is not None:
                response = self._send(method, url, queryParams, data, fresh)
        if response.status_code >= 300:
            raise self._refused(method, urlsplit(url).path, response)
        return response.text

    def getJWT(self):
        """The token, for another process's setJWT()."""
        return self._token

    def setJWT(self, token):
        """Uses this token from now on; with or without `Bearer` in front of it."""
        text = token.strip()
        if text[:6].lower() == "bearer":
            text = text[6:].lstrip(": ")
        if not text or any(c <= " " or c > "~" for c in text):
            raise VOVUsageError("this is no token")
        with self._lock:
            self._token = text
            self._renew = None

    # How a token is had, and had again.

    def _by_password(self, username, password):
        user = username or os.environ.get("USER") or os.environ.get("LOGNAME") or ""
        if not user:
            raise VOVUsageError("give username, or set $USER")

        def sign_in():
            form = {"username": user, "password": password}
            response = self._exchange("POST", self._base + "/api/v3/token", data=form, auth=_Bearer(""))
            if response.status_code >= 300:
                raise self._refused("POST", "/api/v3/token", response)
            token = _json_object(response.text).get("access_token")
            if not isinstance(token, str) or not token:
                raise VOVError("POST /api/v3/token: the answer holds no access_token; is %s the gateway?" % self._base)
            return token

        return sign_in

    def _by_token(self):
        token = os.environ.get("VOVGW_TOKEN", "").strip()
        if token:
            return token
        login = _read_login(self._origin)
        if login is None:
            raise VOVUsageError(
                "no token for %s: run `vovgw login --url %s`, set $VOVGW_TOKEN, or give authorize() an access token"
                % (self._base, self._base)
            )
        return login["token"]

    def _renewed(self, refused):
        """Another token than the refused one, or None. Threads that were refused together renew once."""
        with self._lock:
            if self._token == refused and self._renew is not None:
                try:
                    self._token = self._renew()
                except VOVUsageError:
                    return None
            return self._token if self._token != refused else None

    # How a request goes out.

    def _checked(self, url):
        if url.startswith("/") and not url.startswith("//"):
            if self._base is None:
                raise VOVUsageError("call authorize() first, or give the whole URL")
            return self._base + url
        origin = _origin(url)
        if self._origin is None:
            # After setJWT() alone the first URL says whose token it is.
            self._origin, self._base = origin, _base(url)
        elif origin != self._origin:
            raise VOVUsageError("%s is another server than %s; its token stays here" % (_base(url), self._base))
        return url

    def _send(self, method, url, params, data, token):
        try:
            return self._exchange(method, url, params=params, json=data, auth=_Bearer(token))
        except VOVOutcomeUnknown:
            if method not in _SAFE:
                raise
            # The kept connection had been closed meanwhile; a read may be sent again.
            try:
                return self._exchange(method, url, params=params, json=data, auth=_Bearer(token))
            except VOVOutcomeUnknown as error:
                raise VOVConnectionError(str(error)) from error

    def _exchange(self, method, url, **parts):
        path = urlsplit(url).path
        try:
            return self._session.request(
                method, url, timeout=self._timeout, allow_redirects=False, verify=self._authority(), **parts
            )
        except requests.exceptions.SSLError as error:
            raise VOVCertificateError(
                "the certificate of %s is not trusted (%s); name its authority: $VOVGW_CA_FILE=/path/ca.pem" % (self._base, error)
            ) from error
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError) as error:
            raise VOVConnectionError("%s cannot be reached: %s" % (self._base, error)) from error
        except requests.exceptions.ConnectionError as error:
            if _was_not_sent(error):
                raise VOVConnectionError("%s cannot be reached: %s" % (self._base, error)) from error
            raise VOVOutcomeUnknown("%s %s: the answer was lost: %s" % (method, path, error)) from error
        except requests.exceptions.Timeout as error:
            raise VOVOutcomeUnknown("%s %s: no answer in time: %s" % (method, path, error)) from error
        except requests.exceptions.RequestException as error:
            raise VOVOutcomeUnknown("%s %s: %s" % (method, path, error)) from error
        except OSError as error:
            # requests says so when the CA bundle is not there.
            raise VOVUsageError(str(error)) from error

    def _authority(self):
        named = self._verify or os.environ.get("VOVGW_CA_FILE")
        if named:
            return named
        login = _read_login(self._origin) if self._origin is not None and os.path.exists(login_file()) else None
        if login is not None and isinstance(login.get("ca_file"), str):
            return login["ca_file"]
        return os.environ.get("REQUESTS_CA_BUNDLE") or True

    def _refused(self, method, path, response):
        if response.status_code == 401:
            return VOVAuthError(method, path, response)
        if response.status_code in (429, 503):
            return VOVLimitError(method, path, response)
        return VOVRequestError(method, path, response)


def _was_not_sent(error):
    """True when there was never a connection, so that nothing can have been executed."""
    reason = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    return type(reason).__name__ in ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError", "LocationParseError")
