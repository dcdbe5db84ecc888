"""The clouds' key services and secret managers: the real clients, against servers on loopback that stand in."""

from __future__ import annotations

import importlib.util
import logging
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.contracts import CredentialRef
from headrace.core.credentials import KeyService
from headrace.core.errors import CredentialUnreadable, InputError, KeyUnavailable, SecretMissing
from headrace.secrets.keys import key_service
from headrace.secrets.keys.aws_kms import AwsKms
from headrace.secrets.keys.google_kms import GoogleKms
from headrace.secrets.references import aws, google, read_reference
from headrace.secrets.resolve import resolve
from headrace.secrets.vault import Vault
from headrace.state.store import StateStore
from headrace.testing.credentials import KeyServiceContract

pytestmark = pytest.mark.cloud

RING = "projects/p/locations/eu/keyRings/r/cryptoKeys/"


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """moto as a server (the packages are loaded where they are used: this file is read in every lane); boto3 finds it as it finds AWS: by its environment."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


def client(name: str) -> Any:
    import boto3

    return boto3.client(name)


def new_key() -> str:
    key: str = client("kms").create_key()["KeyMetadata"]["KeyId"]
    return key


@pytest.mark.usefixtures("amazon")
class TestAws(KeyServiceContract):
    @pytest.fixture
    def service(self, amazon: str) -> KeyService:
        self.key = new_key()
        return key_service({"HEADRACE_KEY_SERVICE": f"aws-kms:{self.key}"})

    @pytest.fixture
    def another(self, amazon: str) -> KeyService:
        return AwsKms(new_key())

    def revoke(self, service: KeyService) -> KeyService:
        """A key that is disabled: what AWS answers then, which moto does not."""
        from botocore.stub import Stubber

        kms = client("kms")
        stubber = Stubber(kms)
        stubber.add_client_error("decrypt", "DisabledException", f"{self.key} is disabled.", 400)
        stubber.activate()
        return AwsKms(self.key, kms)

    def test_a_key_that_is_not_there(self) -> None:
        missing = AwsKms(str(uuid.uuid4()))
        with pytest.raises(KeyUnavailable, match="NotFoundException"):
            missing.wrap(b"k" * 32, {"a": "b"})

    def test_by_its_alias(self) -> None:
        name = f"alias/headrace-{uuid.uuid4().hex}"
        client("kms").create_alias(AliasName=name, TargetKeyId=new_key())
        service = AwsKms(name)
        assert service.unwrap(service.wrap(b"k" * 32, {"a": "b"}), {"a": "b"}) == b"k" * 32


def test_aws_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, amazon: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(KeyUnavailable, match="cannot be asked"):
        AwsKms("alias/x").wrap(b"k" * 32, {})
    with pytest.raises(SecretMissing, match="cannot be asked"):
        read_reference("aws:x", {})


def test_aws_without_a_region(monkeypatch: pytest.MonkeyPatch, amazon: str) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyUnavailable, match="region"):
        AwsKms("alias/x").wrap(b"k" * 32, {})
    with pytest.raises(SecretMissing, match="region"):
        read_reference("aws:x", {})


def test_a_credential_sealed_by_aws(tmp_path: Path, amazon: str) -> None:
    environ = {"HEADRACE_KEY_SERVICE": f"aws-kms:{new_key()}"}
    with StateStore.open(tmp_path) as store:
        vault = Vault(store.credentials, service=lambda create: key_service(environ, create=create))
        row = vault.store("acme", "HUBSPOT", "sealed-by-aws")
        found = vault.find("acme", "HUBSPOT")
        assert found is not None
        assert found.value == "sealed-by-aws"
        assert row.key_id == environ["HEADRACE_KEY_SERVICE"]
        with pytest.raises(CredentialUnreadable, match="another key: aws-kms:"):
            Vault(store.credentials, service=lambda create: key_service({"XDG_CONFIG_HOME": str(tmp_path)})).find(
                "acme", "HUBSPOT"
            )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Any]:
    """Google, on loopback."""
    spec = importlib.util.spec_from_file_location("google_fake", Path(__file__).with_name("google_fake.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["google_fake"] = module
    spec.loader.exec_module(module)
    with module.serving() as google_:
        yield google_


class TestGoogle(KeyServiceContract):
    @pytest.fixture
    def service(self, cloud: Any) -> KeyService:
        self.cloud, self.key = cloud, cloud.new_key(f"{RING}{uuid.uuid4().hex}")
        return GoogleKms(self.key, cloud.kms())

    @pytest.fixture
    def another(self, cloud: Any) -> KeyService:
        return GoogleKms(cloud.new_key(f"{RING}{uuid.uuid4().hex}"), cloud.kms())

    def revoke(self, service: KeyService) -> KeyService:
        self.cloud.keys[self.key] = None
        return service

    def test_a_key_that_is_not_there(self, cloud: Any) -> None:
        with pytest.raises(KeyUnavailable, match="NotFound"):
            GoogleKms(f"{RING}missing", cloud.kms()).wrap(b"k" * 32, {})


def test_google_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(KeyUnavailable, match="cannot be asked"):
        key_service({"HEADRACE_KEY_SERVICE": f"google-kms:{RING}k"}).wrap(b"k" * 32, {})
    with pytest.raises(SecretMissing, match="cannot be asked"):
        read_reference("google:projects/p/secrets/s", {})


def test_secrets_of_aws(amazon: str) -> None:
    manager = client("secretsmanager")
    manager.create_secret(Name="prod/hubspot", SecretString='{"api_key": "from-aws", "port": 8}')
    manager.create_secret(Name="plain", SecretString="plain-from-aws")
    manager.create_secret(Name="binary", SecretBinary=b"bytes-from-aws")
    manager.create_secret(Name="junk", SecretBinary=b"\xff\xfe")
    assert read_reference("aws:plain", {}) == "plain-from-aws"
    assert read_reference("aws:binary", {}) == "bytes-from-aws"
    assert read_reference("aws:prod/hubspot#api_key", {}) == "from-aws"
    assert read_reference("aws:prod/hubspot#port", {}) == "8"
    arn = manager.describe_secret(SecretId="plain")["ARN"]
    assert read_reference(f"aws:{arn}", {}) == "plain-from-aws"
    with pytest.raises(SecretMissing, match="ResourceNotFoundException"):
        read_reference("aws:missing", {})
    with pytest.raises(SecretMissing, match="not text"):
        read_reference("aws:junk", {})
    with pytest.raises(SecretMissing, match="no member 'token'") as caught:
        read_reference("aws:prod/hubspot#token", {})
    assert caught.value.hint == "its members: api_key, port"
    with pytest.raises(SecretMissing, match="not a JSON object") as caught:
        read_reference("aws:plain#x", {})
    assert "plain-from-aws" not in str(caught.value)
    manager.put_secret_value(SecretId="plain", SecretString="rotated-at-aws")
    assert read_reference("aws:plain", {}) == "rotated-at-aws"
    found = resolve(
        CredentialRef("HUBSPOT"), org="acme", run_secrets={}, environ={"HUBSPOT_API_KEY_REF": "aws:prod/hubspot"}
    )
    assert found.value == "from-aws"


def test_secrets_of_google(cloud: Any) -> None:
    manager: Any = cloud.secret_manager()
    cloud.secrets["projects/p/secrets/tok/versions/latest"] = b"latest-of-google"
    cloud.secrets["projects/p/secrets/tok/versions/3"] = b"third-of-google"
    cloud.secrets["projects/p/secrets/junk/versions/latest"] = b"\xff"
    assert google.read("projects/p/secrets/tok", {}, None, client=manager) == "latest-of-google"
    assert google.read("projects/p/secrets/tok/versions/3", {}, None, client=manager) == "third-of-google"
    with pytest.raises(SecretMissing, match="NotFound"):
        google.read("projects/p/secrets/missing", {}, None, client=manager)
    with pytest.raises(SecretMissing, match="not text"):
        google.read("projects/p/secrets/junk", {}, None, client=manager)
    with pytest.raises(InputError, match="not the name of a secret"):
        google.read("tok", {}, None, client=manager)


def test_no_log_holds_a_secret(amazon: str, cloud: Any, caplog: pytest.LogCaptureFixture) -> None:
    client("secretsmanager").create_secret(Name="logged", SecretString="never-in-a-log")
    cloud.secrets["projects/p/secrets/logged/versions/latest"] = b"never-in-a-log"
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        read_reference("aws:logged", {})
        google.read("projects/p/secrets/logged", {}, None, client=cloud.secret_manager())
    assert "never-in-a-log" not in repr([record.__dict__ for record in caplog.records])


def test_the_packages_are_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("boto3", "google.cloud.kms_v1", "google.cloud.secretmanager_v1", "google.cloud"):
        monkeypatch.setitem(sys.modules, name, None)
    for call, extra in (
        (lambda: AwsKms("k").wrap(b"", {}), "aws"),
        (lambda: GoogleKms("k").wrap(b"", {}), "google"),
        (lambda: aws.read("x", {}, None), "aws"),
        (lambda: google.read("projects/p/secrets/s", {}, None), "google"),
    ):
        with pytest.raises((KeyUnavailable, SecretMissing)) as caught:
            call()
        assert f"pip install 'headrace[{extra}]'" in caught.value.hint
