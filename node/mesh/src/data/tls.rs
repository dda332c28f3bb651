//! TLS 1.3 whose keys are peer ids: raw Ed25519 public keys (RFC 7250, RFC 8410) instead of certificates, on both sides.
//!
//! It knows keys and handshakes, and nothing of who may connect. Sessions are not resumed, so each connection proves
//! both identities anew.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureAlgorithm,
    SignatureScheme, version,
};
use storgo_protocol::{Identity, PeerId};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// A socket that is read in large pieces: `rustls` asks for 4 KiB at a time, and a system call costs more than the copy.
pub(super) type Socket = BufReader<TcpStream>;

/// Bytes that one read takes from a socket.
const READ_BYTES: usize = 64 * 1024;

/// What is spoken on the connection, so that another version of it can share a port.
const PROTOCOL: &[u8] = b"storgo/data/1";

/// A name that TLS wants and nobody looks at: whom one meets is decided by the key.
const NAME: &str = "storgo";

/// The DER of an Ed25519 public key before its 32 bytes (RFC 8410, section 4).
const PUBLIC_KEY_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Both sides of TLS for one identity.
pub(super) struct Tls {
    client: ClientConfig,
    server: TlsAcceptor,
}

impl Tls {
    pub(super) fn new(identity: &Identity) -> Result<Self, Error> {
        let public_key = CertificateDer::from(public_key(identity.id()).as_ref().to_vec());
        let key = Arc::new(CertifiedKey::new(vec![public_key], Arc::new(Key(identity.clone()))));
        let versions: &[&rustls::SupportedProtocolVersion] = &[&version::TLS13];
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Expected(None)))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&key))));
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(Arc::new(Expected(None)))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        server.send_tls13_tickets = 0;
        Ok(Self { client, server: TlsAcceptor::from(Arc::new(server)) })
    }

    /// Shakes hands with `peer`, and with nobody else.
    pub(super) async fn connect(&self, peer: PeerId, socket: TcpStream) -> io::Result<TlsStream<Socket>> {
        let mut config = self.client.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Expected(Some(peer))));
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, buffered(socket)).await?.into())
    }

    /// Shakes hands with whoever connected, and says who it is.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<(PeerId, TlsStream<Socket>)> {
        let stream = self.server.accept(buffered(socket)).await?;
        let keys = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let [key] = keys else { return Err(io::Error::other("it showed no key, or several")) };
        Ok((peer_of(key).map_err(io::Error::other)?, stream.into()))
    }
}

fn buffered(socket: TcpStream) -> Socket {
    BufReader::with_capacity(READ_BYTES, socket)
}

/// The cheapest cipher of a machine with AES instructions first; both sides prefer the same. AES-128, because what is
/// carried is sealed under AES-256 already: this layer keeps from onlookers what passes between whom. `ring`, because it
/// has kernels for AES on 256-bit vectors, which every machine has that has them on 512-bit ones.
fn provider() -> Arc<CryptoProvider> {
    use ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

fn public_key(peer: PeerId) -> SubjectPublicKeyInfoDer<'static> {
    SubjectPublicKeyInfoDer::from([PUBLIC_KEY_HEAD.as_slice(), peer.as_bytes()].concat())
}

fn peer_of(key: &CertificateDer<'_>) -> Result<PeerId, Error> {
    let bytes = key.strip_prefix(PUBLIC_KEY_HEAD.as_slice()).and_then(|key| <[u8; 32]>::try_from(key).ok());
    bytes.map(PeerId::from_bytes).ok_or_else(|| CertificateError::BadEncoding.into())
}

/// The identity, as TLS signs with it.
#[derive(Debug)]
struct Key(Identity);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(Self(self.0.clone())) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key(self.0.id()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Key {
    // TLS puts its purpose before what is signed (RFC 8446, section 4.4.3).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Believes a key that signs the handshake: of this peer, or of anyone, whom the caller then judges.
#[derive(Debug)]
struct Expected(Option<PeerId>);

impl Expected {
    fn check(&self, key: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let peer = peer_of(key)?;
        if !others.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        match self.0 {
            Some(expected) if expected != peer => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(()),
        }
    }
}

fn verify(message: &[u8], key: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<(), Error> {
    let signature = signed.signature().try_into().map_err(|_| CertificateError::BadSignature)?;
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(CertificateError::BadSignature.into());
    }
    let verified = peer_of(key)?.verify("TLS handshake", message, &signature);
    verified.map_err(|_| CertificateError::BadSignature.into())
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(key, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, key, signed).map(|()| HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Expected {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(key, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, key, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, key, signed).map(|()| HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
