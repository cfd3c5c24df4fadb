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
* $https_proxy and $no_proxy hold for https; this machine is called without a proxy.
* Errors are exceptions: every one is a VOVError.

One object may be used by several threads. Python 3.6 or newer with the package requests.
"""

import collections
import email.utils
import json
import os
import ssl
import stat
import threading
import time
from urllib.parse import urlsplit

import requests
import urllib3

__all__ = [
    "VOVRestV3",
    "VOVError",
    "VOVUsageError",
    "VOVConnectionError",
    "VOVCertificateError",
    "VOVOutcomeUnknown",
    "VOVRequestError",
    "VOVLostAnswerError",
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
    """The gateway cannot be reached, or a read or a sign-in got no answer. Nothing was executed."""


class VOVCertificateError(VOVConnectionError):
    """The gateway's certificate is not trusted. Nothing was sent, the token least of all."""


class VOVOutcomeUnknown(VOVError):
    """A call that changes something was sent, and its answer was lost: look before you send it again.

    With an Idempotency-Key there is no need to look: repeat the call with the same key.
    """


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
        self.retry_after = _seconds(response.headers.get("Retry-After"), response.headers.get("Date"))
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


class VOVLostAnswerError(VOVRequestError, VOVOutcomeUnknown):
    """504 GW_OUTCOME_UNKNOWN: the gateway sent the call to vovserver, and it was the gateway that got no answer."""


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


def _moment(text):
    """Seconds since the epoch of an HTTP date, or None."""
    parts = email.utils.parsedate_tz(text) if text else None
    return None if parts is None else email.utils.mktime_tz(parts)


def _seconds(text, date):
    """The seconds of a Retry-After (RFC 9110, 10.2.3), counted from the Date of its answer; None when it has none."""
    if text is not None and text.isdigit():
        return int(text)
    until = _moment(text)
    if until is None:
        return None
    now = _moment(date)
    return max(0, int(until - (time.time() if now is None else now)))


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
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        # The XDG base directory specification wants a relative path ignored.
        folder = os.path.join(os.path.expanduser("~"), ".config")
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


_wire = threading.local()
"""begun: whether the request of this thread began to go out, over a connection (or tunnel) that stood."""


class _Noting:
    """A connection that notes when a request begins to go out; no class of urllib3's errors tells."""

    def connect(self):
        # Over plain http this happens in the midst of a request, of which nothing is gone before it is through.
        begun, _wire.begun = getattr(_wire, "begun", False), False
        super().connect()
        _wire.begun = begun

    def putrequest(self, *args, **kwargs):
        _wire.begun = True
        return super().putrequest(*args, **kwargs)


def _noting(pool):
    """The same class of urllib3's pools, with connections that note."""
    if issubclass(pool.ConnectionCls, _Noting):
        return pool
    connection = type(pool.ConnectionCls.__name__, (_Noting, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections straight and by a proxy, all of them noting."""

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self._note(self.poolmanager)

    def proxy_manager_for(self, *args, **kwargs):
        manager = super().proxy_manager_for(*args, **kwargs)
        self._note(manager)
        return manager

    @staticmethod
    def _note(manager):
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _noting(pool) for scheme, pool in pools.items()}


_Connection = collections.namedtuple("_Connection", "origin base token renew authority")
"""Whose token it is, how another is had, and who vouches for the server: never changed, only replaced as a whole.

renew() gives another connection to the same server, or raises VOVError; None: there is no way. After setJWT() alone origin
and base are None until the first URL says whose token it is.
"""


class VOVRestV3:
    """A signed-in connection to one gateway (or to a vovserver itself)."""

    def __init__(self, verify=None, timeout=TIMEOUT):
        """verify is the path of a CA bundle; None takes $VOVGW_CA_FILE, `vovgw login`'s, or the system's authorities."""
        if verify is False:
            raise VOVUsageError("TLS is always verified; name the authority's certificate: verify='/path/ca.pem'")
        self._verify = verify
        self._timeout = timeout
        self._session = requests.Session()
        # What of the environment holds is decided here, call by call: proxies and authorities.
        self._session.trust_env = False
        self._session.mount("https://", _Adapter())
        self._session.mount("http://", _Adapter())
        self._lock = threading.Lock()
        self._connection = _Connection(None, None, "", None, None)

    def authorize(self, url, password="", username=""):
        """Signs in; raises VOVError when it fails, and then the object is what it was before.

        password is an access token of the gateway (or, where the gateway allows it, the vovserver password); without one
        the token of $VOVGW_TOKEN or of `vovgw login` is used. username is $USER when not given.
        """
        if username.startswith("vgw_") and not password.startswith("vgw_"):
            # The vendor's heading names the user first, its text and examples the password.
            username, password = password, username
        server = _Connection(_origin(url), _base(url), "", None, None)
        renew = self._by_password(server, username, password) if password else self._by_token(server)
        connection = renew()
        if not password:
            response = self._send(connection, "GET", connection.base + "/gateway/v1/me", None, None)
            if response.status_code >= 300:
                raise self._refused("GET", "/gateway/v1/me", response)
        with self._lock:
            self._connection = connection

    def submitRequest(self, method, url, queryParams=None, jsonData=None, headers=None):
        """Sends one request and gives the text of the answer; raises VOVRequestError for a status of 300 or more.

        url is the whole URL, or a path such as /api/v3/jobs on the server of authorize(). jsonData goes out with POST, PUT
        and PATCH. A call that changes something is never sent twice, except when it was refused with 401. headers are more
        headers of the request, such as {"Idempotency-Key": str(uuid.uuid4())}, with which a submission may be repeated.
        """
        method = method.upper()
        for name in headers or ():
            if name.lower() == "authorization":
                raise VOVUsageError("the token goes out by itself; give it to authorize() or setJWT()")
        url, connection = self._connected(url)
        data = None if method in _SAFE or (method == "DELETE" and not jsonData) else (jsonData or {})
        response = self._send(connection, method, url, queryParams, data, headers)
        if response.status_code == 401:
            fresh = self._renewed(connection)
            if fresh is not None:
                response = self._send(fresh, method, url, queryParams, data, headers)
        if response.status_code >= 300:
            raise self._refused(method, urlsplit(url).path, response)
        return response.text

    def getJWT(self):
        """The token, for another process's setJWT()."""
        return self._connection.token

    def setJWT(self, token):
        """Uses this token from now on; with or without `Bearer` in front of it."""
        text = token.strip()
        if text[:6].lower() == "bearer":
            text = text[6:].lstrip(": ")
        if not text or any(c <= " " or c > "~" for c in text):
            raise VOVUsageError("this is no token")
        with self._lock:
            self._connection = self._connection._replace(token=text, renew=None)

    # How a token is had, and had again.

    def _by_password(self, server, username, password):
        user = username or os.environ.get("USER") or os.environ.get("LOGNAME") or ""
        if not user:
            raise VOVUsageError("give username, or set $USER")

        def sign_in():
            connection = server._replace(renew=sign_in, authority=self._authority(server.origin))
            form = {"username": user, "password": password}
            try:
                response = self._exchange(connection, "POST", server.base + "/api/v3/token", data=form)
            except VOVOutcomeUnknown as error:
                # A sign-in changes nothing: it may be tried again, as if it had never been sent.
                raise VOVConnectionError(str(error)) from error
            if response.status_code >= 300:
                raise self._refused("POST", "/api/v3/token", response)
            token = _json_object(response.text).get("access_token")
            if not isinstance(token, str) or not token:
                raise VOVError("POST /api/v3/token: the answer holds no access_token; is %s the gateway?" % server.base)
            return connection._replace(token=token)

        return sign_in

    def _by_token(self, server):
        def read():
            connection = server._replace(renew=read, authority=self._authority(server.origin))
            token = os.environ.get("VOVGW_TOKEN", "").strip()
            if token:
                return connection._replace(token=token)
            login = _read_login(server.origin)
            if login is None:
                raise VOVUsageError(
                    "no token for %s: run `vovgw login --url %s`, set $VOVGW_TOKEN, or give authorize() an access token"
                    % (server.base, server.base)
                )
            return connection._replace(token=login["token"])

        return read

    def _renewed(self, refused):
        """Another connection to the server that refused this one, or None. Threads that were refused together renew once."""
        with self._lock:
            current = self._connection
            if current.renew is None or current.renew is not refused.renew:
                # Another thread signed in anew meanwhile: that token is not for this call.
                return None
            if current.token == refused.token:
                try:
                    self._connection = current = current.renew()
                except VOVUsageError:
                    return None
            return current if current.token != refused.token else None

    # How a request goes out.

    def _connected(self, url):
        """The whole URL, and the connection whose token may go there."""
        with self._lock:
            connection = self._connection
            if not connection.token:
                raise VOVUsageError("call authorize() or setJWT() first")
            if url.startswith("/") and not url.startswith("//"):
                if connection.base is None:
                    raise VOVUsageError("call authorize() first, or give the whole URL")
                return connection.base + url, connection
            origin, base = _origin(url), _base(url)
            if connection.origin is None:
                connection = connection._replace(origin=origin, base=base, authority=self._authority(origin))
                self._connection = connection
            elif origin != connection.origin:
                raise VOVUsageError("%s is another server than %s; its token stays here" % (base, connection.base))
            return url, connection

    def _send(self, connection, method, url, params, data, headers=None):
        try:
            return self._exchange(connection, method, url, params=params, json=data, headers=headers)
        except VOVOutcomeUnknown:
            if method not in _SAFE:
                raise
        # The kept connection had been closed meanwhile; a read may be sent again.
        try:
            return self._exchange(connection, method, url, params=params, json=data, headers=headers)
        except VOVOutcomeUnknown as error:
            raise VOVConnectionError(str(error)) from error

    def _exchange(self, connection, method, url, **parts):
        _wire.begun = False
        try:
            return self._session.request(
                method,
                url,
                auth=_Bearer(connection.token),
                timeout=self._timeout,
                allow_redirects=False,
                proxies=_proxies(connection.origin, url),
                verify=connection.authority,
                **parts
            )
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _fault(error, _wire.begun, connection.base, method, urlsplit(url).path) from error

    def _authority(self, origin):
        named = self._verify or os.environ.get("VOVGW_CA_FILE")
        if named:
            return named
        login = _read_login(origin) if os.path.exists(login_file()) else None
        if login is not None and isinstance(login.get("ca_file"), str):
            return login["ca_file"]
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True

    def _refused(self, method, path, response):
        if response.status_code == 401:
            return VOVAuthError(method, path, response)
        if response.status_code in (429, 503):
            return VOVLimitError(method, path, response)
        refused = VOVRequestError(method, path, response)
        return VOVLostAnswerError(method, path, response) if refused.code == "GW_OUTCOME_UNKNOWN" else refused


def _proxies(origin, url):
    """The proxies of the environment; none to this machine, whose plain http would show a proxy the token."""
    return {} if origin[1] in _LOOPBACK else requests.utils.get_environ_proxies(url)


def _fault(error, begun, base, method, path):
    """What an error without an answer means, by whether the request began to go out."""
    if begun:
        lost = "no answer in time" if isinstance(error, requests.exceptions.Timeout) else "the answer was lost"
        return VOVOutcomeUnknown("%s %s: %s: %s" % (method, path, lost, error))
    if _is_unverified(error):
        return VOVCertificateError(
            "the certificate of %s is not trusted (%s); name its authority: $VOVGW_CA_FILE=/path/ca.pem" % (base, error)
        )
    if isinstance(error, (ValueError, requests.exceptions.InvalidJSONError)):
        return VOVUsageError("%s %s: %s" % (method, path, error))
    if isinstance(error, (requests.exceptions.RequestException, urllib3.exceptions.HTTPError)):
        return VOVConnectionError("%s cannot be reached: %s" % (base, error))
    # requests says so when the CA bundle is not there.
    return VOVUsageError(str(error))


def _is_unverified(error):
    """True when it was the check of the certificate that failed, whatever wrapped it."""
    # Python 3.6 has no class of its own for it.
    failed = getattr(ssl, "SSLCertVerificationError", ssl.CertificateError)
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, failed) or getattr(one, "reason", None) == "CERTIFICATE_VERIFY_FAILED":
            return True
        if type(one).__name__ == "CertificateError":
            # urllib3's own check of the host name.
            return True
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None)] + list(one.args)
    return False
