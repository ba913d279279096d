"""Session and transport to EC2 and STS.

boto3 does what it is best at: credentials, signatures, request words and errors. ``answers`` reads. The HTTP below it is our
because TLS then depends on nothing but the Provider (no environment, no file), and because its errors say whether a
request had left. There are no retries here: the engine retries.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal
from xml.etree.ElementTree import ParseError

import boto3  # type: ignore[import-untyped]  # boto3 ships no types
import botocore.exceptions
import urllib3
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from botocore.httpsession import where
from botocore.loaders import Loader
from botocore.model import OperationModel, StructureShape
from botocore.parsers import ResponseParserError
from botocore.session import Session

from hybridge.core.errors import Refused, Unreachable
from hybridge.core.reasons import Reason
from hybridge.drivers.aws import answers, errors, subset
from hybridge.drivers.base import Settings

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 20.0

#: Most values of one filter.
FILTER_VALUES = 200

_OK = 200
_ACCOUNT = re.compile(r"\d{12}")
#: Where an answer that botocore did not read is found in what it returns.
_UNREAD = "Unread"

#: Making a botocore session or client is not thread-safe.
_MAKING = threading.Lock()

#: Everything that botocore or urllib3 raise for a call that did not succeed.
_FAILURES = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ResponseParserError)


class _Models(Loader):
    """What botocore reads of its files, once for all sessions: 8 MB that each would read and keep for itself."""

    @property
    def search_paths(self) -> list[str]:
        """A copy, because every session of boto3 adds a folder."""
        return list(super().search_paths)


_MODELS = _Models([str(subset.DATA)])


class Client:
    """Calls to one region of one account, from any thread."""

    def __init__(self, settings: Settings) -> None:
        """Sends nothing. Refused: SECRET_NOT_FOUND when keys are missing, INVALID_SPEC, TLS_NOT_VERIFIED."""
        self.region = str(settings.cloud["region"])
        self.caller = ""
        self._account = ""
        self._local = threading.local()
        self._settings = settings
        self._pool = _pool(settings)
        options: dict[str, Any] = {
            "region_name": self.region,
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "parameter_validation": False,
            "user_agent_extra": "hybridge",
            # AWS_ENDPOINT_URL would send credentials and machines elsewhere than the Provider says.
            "ignore_configured_endpoint_urls": True,
        }
        self._config = Config(**options)
        with _MAKING:
            session, keys = _session(), _keys(settings)
            if role := settings.cloud.get("assumeRole"):
                assert isinstance(role, Mapping)
                base = self._open(session, "sts", keys)
                session, keys = _session(), {}
                provider = _AssumedRole(self, base, role, settings.provider)
                session.register_component("credential_provider", CredentialResolver([provider]))
            self._sts = self._open(session, "sts", keys)
            self._ec2 = self._open(session, "ec2", keys)
        self._readers: dict[str, Callable[[bytes], dict[str, Any]]] = {}

    def call(self, operation: str, **words: Any) -> dict[str, Any]:
        """One request to EC2 and its parsed answer. Every failure is a CloudError."""
        return self.send(self._ec2, operation, words)

    def pages(self, operation: str, key: str, *, size: int, **words: Any) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list call, a request each; ``key`` names the list within the answer."""
        following: dict[str, str] = {}
        while True:
            answer = self.call(operation, MaxResults=size, **words, **following)
            yield answer[key]
            if not (token := answer.get("NextToken")):
                return
            if token == following.get("NextToken"):
                raise Unreachable(f"{operation}: a page leads to itself")
            following = {"NextToken": token}

    def among(
        self, operation: str, key: str, name: str, values: Iterable[str], *, size: int, **words: Any
    ) -> list[dict[str, Any]]:
        """All of a list call for which the filter ``name`` has one of these values: a request for each 200 of them."""
        wanted, found = [*values], list[dict[str, Any]]()
        for start in range(0, len(wanted), FILTER_VALUES):
            filters = [{"Name": name, "Values": wanted[start : start + FILTER_VALUES]}]
            for page in self.pages(operation, key, size=size, Filters=filters, **words):
                found += page
        return found

    def unread(self, operation: str, **words: Any) -> bytes:
        """One request to EC2 and its answer as it came. Every failure is a CloudError."""
        return self._exchanged(self._ec2, operation, words)

    def shape(self, operation: str) -> StructureShape:
        """How the answers of an operation are made up."""
        found = self._ec2.meta.service_model.operation_model(operation).output_shape
        assert found is not None
        return found

    @property
    def sent(self) -> int:
        """How many requests this thread has sent."""
        count: int = getattr(self._local, "sent", 0)
        return count

    def identify(self) -> str:
        """The number of the account that the credentials belong to (STS GetCallerIdentity)."""
        answer = self.send(self._sts, "GetCallerIdentity", {})
        account = str(answer["Account"])
        if not _ACCOUNT.fullmatch(account):
            raise errors.unreadable("GetCallerIdentity", ValueError("it names no account"))
        self.caller = str(answer["Arn"])
        self._account = account
        return account

    @property
    def account(self) -> str:
        """The number of the account, asked for once."""
        return self._account or self.identify()

    def send(self, service: BaseClient, operation: str, words: dict[str, Any]) -> dict[str, Any]:
        """One rate-limited and metered request. Every failure is a CloudError."""
        content = self._exchanged(service, operation, words)
        read = self._readers.get(operation)
        if read is None:
            read = self._readers[operation] = answers.reader(service.meta.service_model.operation_model(operation))
        try:
            return read(content)
        except (ParseError, ValueError, RecursionError) as error:
            raise errors.unreadable(operation, error) from error

    def _exchanged(self, service: BaseClient, operation: str, words: dict[str, Any]) -> bytes:
        self._settings.acquire()
        self._local.sent = self.sent + 1
        started, code = time.monotonic(), "200"
        try:
            answer: dict[str, Any] = getattr(service, xform_name(operation))(**words)
        except (*_FAILURES, urllib3.exceptions.HTTPError) as failure:
            code = errors.code(failure)
            raise self._settings.hide(errors.classify(operation, failure, self.caller)) from failure
        finally:
            self._settings.meter(operation, code, time.monotonic() - started)
        content: bytes = answer[_UNREAD]
        return content

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _open(self, session: Session, service: Literal["ec2", "sts"], keys: dict[str, str]) -> BaseClient:
        endpoint = self._settings.cloud.get("endpoint")
        try:
            client: BaseClient = boto3.Session(botocore_session=session).client(
                service,
                config=self._config,
                endpoint_url=str(endpoint) if endpoint else None,
                aws_access_key_id=keys.get("accessKeyID"),
                aws_secret_access_key=keys.get("secretAccessKey"),
                aws_session_token=keys.get("sessionToken"),
            )
        except (ValueError, botocore.exceptions.BotoCoreError) as error:
            raise Refused(Reason.INVALID_SPEC, f"Provider {self._settings.provider}: {error}") from error
        client.meta.events.register(f"before-send.{service}", self._exchange)
        client.meta.events.register(f"before-parse.{service}", _keep_unread)
        return client

    def _exchange(self, request: AWSPreparedRequest, **_: object) -> Any:
        """The hook of botocore in place of its own HTTP."""
        answer = self._pool.request(
            request.method,
            request.url,
            body=request.body if isinstance(request.body, str | bytes) else None,
            headers={name: _text(value) for name, value in request.headers.items()},
            redirect=False,
            preload_content=False,
            decode_content=True,
        )
        return AWSResponse(request.url, answer.status, HTTPHeaders.from_pairs(answer.headers.items()), answer)


def _keep_unread(
    operation_model: OperationModel,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """The hook of botocore before it reads an answer: of a success it gets nothing, of an error what ``answers`` reads."""
    content: bytes = response_dict["body"]
    if response_dict["status_code"] == _OK:
        customized_response_dict[_UNREAD] = content
        response_dict["body"] = f"<Unread><{operation_model.name}Result/></Unread>".encode()
    else:
        response_dict["body"] = answers.refusal(content)


class _AssumedRole(CredentialProvider):
    """Credentials of a role, fetched at the first use and again before they expire (an hour)."""

    METHOD = "assume-role"

    def __init__(self, client: Client, sts: BaseClient, role: Mapping[str, Any], provider: str) -> None:
        super().__init__()
        self._client = client
        self._sts = sts
        self._words = {"RoleArn": role["arn"], "RoleSessionName": f"hybridge-{provider}"[:64]}
        if external := role.get("externalID"):
            self._words["ExternalId"] = external

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetch, self.METHOD)

    def _fetch(self) -> dict[str, str]:
        found = self._client.send(self._sts, "AssumeRole", self._words)["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _MODELS)
    return session


def _keys(settings: Settings) -> dict[str, str]:
    """The keys of the Secret; none for the workload's own identity."""
    given = settings.credentials
    if not given:
        return {}
    if missing := [key for key in ("accessKeyID", "secretAccessKey") if not given.get(key)]:
        raise Refused(Reason.SECRET_NOT_FOUND, f"the Secret of Provider {settings.provider} lacks {', '.join(missing)}")
    return {name: value.strip() for name, value in given.items() if value.strip()}


def _pool(settings: Settings) -> urllib3.PoolManager:
    """Connections as the Provider's TLS block says: its CA bundle, else the certificates that come with botocore.

    A fingerprint alone is proof enough (a certificate of no known CA); with a CA bundle both have to hold.
    """
    bundle = settings.ca_bundle
    try:
        context = ssl.create_default_context(cadata=bundle) if bundle else ssl.create_default_context(cafile=where())
    except ssl.SSLError as error:
        raise Refused(Reason.TLS_NOT_VERIFIED, f"spec.tls.caBundle of Provider {settings.provider}: {error}") from error
    if settings.insecure_skip_verify or (settings.fingerprint and not bundle):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    pinned = None if settings.insecure_skip_verify else settings.fingerprint
    return urllib3.PoolManager(
        num_pools=4,
        # The sweeps have a thread of their own beside those of the changes.
        maxsize=settings.concurrency + 1,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        retries=False,
        ssl_context=context,
        cert_reqs=context.verify_mode.name,
        assert_fingerprint=pinned.removeprefix("sha256:") if pinned else None,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
