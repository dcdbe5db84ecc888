"""Google's key management and secret manager, as a gRPC server on loopback that speaks their own messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1 as kms
from google.cloud import secretmanager_v1 as sm
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport


@dataclass
class Google:
    """``keys`` by name (``None``: its version is disabled), ``secrets`` by the name of a version."""

    keys: dict[str, AESGCM | None] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    channel: Any = None

    def kms(self) -> Any:
        return kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=self.channel))

    def secret_manager(self) -> Any:
        transport = SecretManagerServiceGrpcTransport(channel=self.channel)
        return sm.SecretManagerServiceClient(transport=transport)

    def new_key(self, name: str) -> str:
        self.keys[name] = AESGCM(AESGCM.generate_key(256))
        return name

    def _key(self, name: str, context: grpc.ServicerContext) -> AESGCM:
        if name not in self.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, f"CryptoKey {name} not found.")
        key = self.keys[name]
        if key is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{name}/cryptoKeyVersions/1 is not enabled")
        assert key is not None
        return key

    def encrypt(self, request: Any, context: grpc.ServicerContext) -> Any:
        nonce = os.urandom(12)
        sealed = self._key(request.name, context).encrypt(
            nonce, request.plaintext, request.additional_authenticated_data
        )
        return kms.EncryptResponse(name=request.name, ciphertext=nonce + sealed)

    def decrypt(self, request: Any, context: grpc.ServicerContext) -> Any:
        key, data = self._key(request.name, context), request.ciphertext
        try:
            plain = key.decrypt(data[:12], data[12:], request.additional_authenticated_data)
        except (InvalidTag, ValueError):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.")
        return kms.DecryptResponse(plaintext=plain)

    def access(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.name not in self.secrets:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found or has no versions.")
        payload = sm.SecretPayload(data=self.secrets[request.name])
        return sm.AccessSecretVersionResponse(name=request.name, payload=payload)


@contextmanager
def serving() -> Iterator[Google]:
    google = Google()

    def handler(service: str, **methods: Any) -> Any:
        return grpc.method_handlers_generic_handler(
            service,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    work, request_deserializer=asked.deserialize, response_serializer=answer.serialize
                )
                for name, (work, asked, answer) in methods.items()
            },
        )

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((
        handler(
            "google.cloud.kms.v1.KeyManagementService",
            Encrypt=(google.encrypt, kms.EncryptRequest, kms.EncryptResponse),
            Decrypt=(google.decrypt, kms.DecryptRequest, kms.DecryptResponse),
        ),
        handler(
            "google.cloud.secretmanager.v1.SecretManagerService",
            AccessSecretVersion=(google.access, sm.AccessSecretVersionRequest, sm.AccessSecretVersionResponse),
        ),
    ))  # fmt: skip
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    google.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    try:
        yield google
    finally:
        google.channel.close()
        server.stop(0).wait()
