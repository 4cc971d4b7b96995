"""Issues certificates of a private authority for servers and clients of tests: right and wrong ones."""

import ssl
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    kept = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept)


class CertificateAuthority:
    """A private authority whose own certificate is in `file`."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(mkdtemp(dir=folder))
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("An authority of tests")
        self.file = self._folder / "authority.pem"
        own = self._builder(self._name, self._key, datetime.now(UTC) + 30 * _DAY)
        signed = own.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(_SIGNS_CERTIFICATES, critical=True)
        self.file.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def server(self, *, host: str = "localhost", expired: bool = False) -> ssl.SSLContext:
        """Return what a server speaks whose certificate is for `host` (a name) and for 127.0.0.1.

        A certificate for another host than `localhost` is not for 127.0.0.1 either.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_file(host=host, expired=expired))
        return context

    def server_file(self, *, host: str = "localhost", expired: bool = False) -> Path:
        """Return the file with the key and the certificate of such a server, in this order (PEM)."""
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ip_address("127.0.0.1")))
        return self._issue(host, x509.SubjectAlternativeName(names), expired=expired)

    def client_file(self, name: str, *, key_password: str | None = None) -> Path:
        """Return the file with the key and the certificate of a client of this name (PEM)."""
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        return self._issue(name, names, expired=False, key_password=key_password)

    def _issue(
        self,
        name: str,
        names: x509.SubjectAlternativeName,
        *,
        expired: bool,
        key_password: str | None = None,
    ) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        ends = datetime.now(UTC) + (-_DAY if expired else _DAY)
        certificate = (
            self._builder(_name(name), key, ends)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{name}-{'expired' if expired else 'valid'}.pem"
        file.write_bytes(_pem(key, key_password) + certificate.public_bytes(Encoding.PEM))
        file.chmod(0o600)
        return file

    def server_of_old_protocols(self) -> ssl.SSLContext:
        """Return what a server with the right certificate speaks that knows nothing newer than TLS 1.1."""
        context = self.server()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - 60 * _DAY)
            .not_valid_after(ends)
            # Python 3.13 refuses a chain whose certificates do not name their keys (RFC 5280).
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
