"""The lab's AWS as a program: ``python -m lab.aws_server --port 5000 --config … --state …``. EC2 and STS, on moto.

The configuration is a JSON file: ``{"account", "region", "keys": {"operator": {"id", "secret"}, …}}``. Who may do what is
in ``lab.aws_policy``; ``person`` may do everything, sees all at once and has no limits.
What the account holds at the start is written to the state file. ``POST /lab/tune`` takes ``lab.aws_rules.Tuning``,
``POST /lab/machines`` a list of ``lab.fleet.Wanted`` and answers with their ids.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto import settings
from moto.core.request import Request
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.sts.responses import TokenResponse
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from lab import aws_words
from lab.aws_access import Access
from lab.aws_ec2 import Extensions
from lab.aws_estate import furnish, launch
from lab.aws_rules import Buckets, Refusal, Tuning
from lab.fleet import Wanted

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ServerRequest(Request):
    """A request as moto reads it."""

    from_wsgi_server = True


class QuietHandler(WSGIRequestHandler):
    """Logs no requests; errors still are."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


class Account:
    """The WSGI application: who asks, whether he may and not too often, and moto's answer; one request at a time."""

    def __init__(self, config: dict[str, Any], tuning: Tuning) -> None:
        self._number = config["account"]
        self._region = config["region"]
        self._keys = {key["id"]: (name, key["secret"]) for name, key in config["keys"].items()}
        self._tuning = tuning
        self._buckets = Buckets(tuning)
        self._extensions = Extensions(tuning)
        self._extensions.install()
        self._access = Access(config["region"], config["account"], tuning, self._extensions.knows)
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        request = ServerRequest(environ)
        doors = {"/lab/tune": self._tune, "/lab/machines": self._seed}
        response = doors.get(request.path, self._serve)(request)
        return response(environ, start_response)

    def _tune(self, request: ServerRequest) -> Response:
        try:
            with self._turn:
                self._tuning.update(json.loads(request.get_data() or b"{}"))
        except ValueError as error:
            return Response(str(error), status=400)
        return Response("{}", content_type="application/json")

    def _seed(self, request: ServerRequest) -> Response:
        wanted = [Wanted.read(words) for words in json.loads(request.get_data())]
        with self._turn:
            self._extensions.sees_all = True
            ids = launch(self._number, self._region, wanted)
        return Response(json.dumps(ids), content_type="application/json")

    def _serve(self, request: ServerRequest) -> Response:
        body = request.get_data(cache=True)
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        action = form.get("Action", "")
        service = ""
        try:
            user, service = self._caller(request, body)
            if user != "person":
                self._buckets.take(action)
            if action == "GetCallerIdentity":
                return self._identity(user)
            with self._turn:
                self._extensions.settle(ec2_backends[self._number][self._region])
                self._extensions.sees_all = user == "person"
                for value in form.values():
                    if action != "RunInstances" and value.startswith("i-") and self._extensions.hidden(value):
                        raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{value}' does not exist")
                    if not action.startswith("Describe") and (code := self._extensions.denied(value)):
                        raise Refusal(code, f"The ID '{value}' does not exist.")
                if service == "ec2":
                    aws_words.check(form)
                    self._access.permit(user, form)
                handler = EC2Response if service == "ec2" else TokenResponse
                status, headers, answer = handler.dispatch(request)
                self._extensions.changed(action)
        except Refusal as refusal:
            return _error(service, refusal)
        except NotImplementedError:
            sentence = f"The action {action} is not valid for this web service."
            return _error(service, Refusal("InvalidAction", sentence))
        return Response(answer, status=status, headers={"Content-Type": "text/xml", **headers})

    def _caller(self, request: ServerRequest, body: bytes) -> tuple[str, str]:
        """Whose signature the request bears, and for which service. Refusal for an unknown key or a wrong one."""
        words = request.headers.get("Authorization", "").replace(",", " ").split()
        parts = dict(word.partition("=")[::2] for word in words if "=" in word)
        scope = parts.get("Credential", "").split("/")
        name, secret = self._keys.get(scope[0], ("", ""))
        if len(scope) != 5 or not name or not _signed(request, body, parts, secret):
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", status=401)
        return name, scope[3]

    def _identity(self, user: str) -> Response:
        arn = f"arn:aws:iam::{self._number}:user/{user}"
        return Response(
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>{arn}</Arn><UserId>AIDA{user.upper()}</UserId><Account>{self._number}</Account>"
            f"</GetCallerIdentityResult>{_metadata()}</GetCallerIdentityResponse>",
            content_type="text/xml",
        )


def _metadata() -> str:
    return f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"


def _error(service: str, refusal: Refusal) -> Response:
    error = f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
    if service == "sts":
        error = f"<Error><Type>Sender</Type>{error}</Error>"
        text = f"<ErrorResponse>{error}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    else:
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', status=refusal.status, content_type="text/xml")


def _signed(request: ServerRequest, body: bytes, parts: dict[str, str], secret: str) -> bool:
    """Whether the signature of version 4 is right for this secret."""
    _, _, region, service, _ = parts["Credential"].split("/")
    signer = SigV4Auth(Credentials(parts["Credential"].split("/")[0], secret), service, region)
    signed = {name: request.headers.get(name, "") for name in parts.get("SignedHeaders", "").split(";")}
    copied = AWSRequest(method=request.method, url=request.url, data=body, headers=signed)
    copied.context["timestamp"] = request.headers.get("X-Amz-Date", "")
    text = signer.string_to_sign(copied, signer.canonical_request(copied))
    return bool(signer.signature(text, copied) == parts.get("Signature"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, furnish the account and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="lab.aws_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True, help="JSON file with account, region and keys")
    parser.add_argument("--state", type=Path, required=True, help="JSON file to write, naming what the account holds")
    parser.add_argument("--transition-seconds", type=float, default=Tuning().transition_seconds)
    parser.add_argument("--consistency-lag", type=float, default=0.0)
    options = parser.parse_args(arguments)
    config = json.loads(options.config.read_text())
    os.environ.update(MOTO_ACCOUNT_ID=config["account"], MOTO_EC2_LOAD_DEFAULT_AMIS="false")
    settings.ENABLE_AMI_VALIDATION = True
    settings.EC2_ENABLE_INSTANCE_TYPE_VALIDATION = True
    tuning = Tuning(transition_seconds=options.transition_seconds, consistency_lag=options.consistency_lag)
    # What the account holds from the beginning is old: it was made before anything could be new.
    options.state.write_text(json.dumps(furnish(config["account"], config["region"])))
    account = Account(config, tuning)
    server = make_server("127.0.0.1", options.port, account, threaded=True, request_handler=QuietHandler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"AWS of the lab listens on http://127.0.0.1:{options.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
