"""A stand-in for the vendor's module of the same name: the four documented methods, nothing else.

Like the original it accepts self-signed certificates in silence unless VOV_REST_CA names a CA bundle.
"""

import os

import requests


class VOVRestV3:
    def __init__(self):
        self._session = requests.Session()
        self._session.verify = os.environ.get("VOV_REST_CA", False)
        self._jwt = ""

    def authorize(self, url, password="", username=""):
        form = {"username": username or os.environ["USER"], "password": password}
        reply = self._session.post(url + "/api/v3/token", data=form)
        if reply.status_code != 200:
            raise RuntimeError("%d: %s" % (reply.status_code, reply.json()["error"]))
        token = reply.json()
        self._jwt = token["token_type"] + ":" + token["access_token"]

    def submitRequest(self, method, url, queryParams={}, jsonData={}):
        # The documented defaults send an empty JSON object with every method, reads included.
        reply = self._session.request(
            method, url, params=queryParams, json=jsonData, headers={"Authorization": self._jwt}
        )
        if reply.status_code >= 300:
            raise RuntimeError("%d: %s" % (reply.status_code, reply.text))
        return reply.text

    def getJWT(self):
        return self._jwt

    def setJWT(self, token):
        self._jwt = token
