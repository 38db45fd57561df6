"""Servers of buckets for the tests, on loopback.

    servers.py s3           an S3 server (moto); prints its port
    servers.py gcs          the same behind the few headers in which the XML API of GCS differs
    servers.py key          prints credentials for GCS, of a service account that nobody knows
    servers.py azure URL    makes the container `phalanx` at azurite's URL of the account

A server ends with its standard input, so none outlives the test that started it.
"""

import base64
import email.utils
import hashlib
import hmac
import json
import os
import sys
import threading
import urllib.request

ACCOUNT = "devstoreaccount1"
# The key that every emulator of Azure has.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def serve(is_gcs):
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("phalanx", "us-east-1")
    moto = DomainDispatcherApplication(create_backend_app)
    # Buckets decide one request after the other which of two came first; moto's threads do not.
    one_by_one = threading.Lock()

    def app(environ, start_response):
        if is_gcs:
            # Who may do what is not what is tested; the account of S3 may do everything.
            environ["HTTP_AUTHORIZATION"] = (
                "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
            )
            generation = environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None)
            if generation == "0":
                environ["HTTP_IF_NONE_MATCH"] = "*"
            elif generation:
                environ["HTTP_IF_MATCH"] = generation

        def start(status, headers, *rest):
            tags = [value.strip('"') for name, value in headers if name.lower() == "etag"]
            if is_gcs and tags:
                headers = [*headers, ("x-goog-generation", tags[0])]
            return start_response(status, headers, *rest)

        with one_by_one:
            return list(moto(environ, start))

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(f"listening on 127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


def make_container(url):
    date = email.utils.formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    text = "PUT" + "\n" * 12 + headers + f"/{ACCOUNT}/{ACCOUNT}/phalanx\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
    request = urllib.request.Request(f"{url}/phalanx?restype=container", method="PUT")
    request.add_header("x-ms-date", date)
    request.add_header("x-ms-version", "2021-08-06")
    request.add_header("Authorization", f"SharedKey {ACCOUNT}:{signature}")
    urllib.request.urlopen(request).read()


def print_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"private_key": pem.decode(), "private_key_id": "1", "client_email": "tests@localhost"}
    print(json.dumps(account))


if sys.argv[1] == "azure":
    make_container(sys.argv[2])
elif sys.argv[1] == "key":
    print_key()
else:
    serve(sys.argv[1] == "gcs")
