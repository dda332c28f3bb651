//! Certificates of doors: read from files when a node starts, and again when they are others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::private_file;

/// How often it is looked whether the files are others.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

/// What a door shows its clients so that they know it, and speak to it in secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate in PEM, behind it those that vouch for it.
    pub cert: PathBuf,
    /// Its private key in PEM, without a password.
    pub key: PathBuf,
}

/// What was read of both files, and what was made of it.
#[derive(Debug)]
struct Made {
    files: [Vec<u8>; 2],
    key: Arc<CertifiedKey>,
}

impl TlsConfig {
    /// Reads both files.
    ///
    /// # Errors
    /// [`NodeError::Config`] for a file that is not there or not understood, and for a key that is not the certificate's.
    fn read(&self) -> Result<Made, NodeError> {
        let files = [read(&self.cert)?, read(&self.key)?];
        let [cert, key] = &files;
        let certs = CertificateDer::pem_slice_iter(cert).collect::<Result<Vec<_>, _>>();
        let certs = certs.map_err(|error| refuse(&self.cert, error.to_string()))?;
        if certs.is_empty() {
            return Err(refuse(&self.cert, "there is no certificate in it: expected -----BEGIN CERTIFICATE-----"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| refuse(&self.key, error.to_string()))?;
        let key = CertifiedKey::from_der(certs, key, &ring::default_provider())
            .map_err(|error| refuse(&self.key, format!("not the key of {}: {error}", self.cert.display())))?;
        Ok(Made { files, key: Arc::new(key) })
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
pub(crate) struct Certificates {
    config: TlsConfig,
    /// Held for a moment by each handshake.
    shown: Mutex<Made>,
    /// Why the files could not be read last, so that it is said once.
    failure: Mutex<Option<String>>,
}

impl Certificates {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// As [`TlsConfig::read`].
    pub(crate) fn open(config: &TlsConfig) -> Result<Arc<Self>, NodeError> {
        let shown = Mutex::new(config.read()?);
        Ok(Arc::new(Self { config: config.clone(), shown, failure: Mutex::default() }))
    }

    /// How a door speaks that shows them.
    ///
    /// # Errors
    /// [`NodeError::Config`] if the library has no protocol for it.
    pub(crate) fn server(self: &Arc<Self>) -> Result<Arc<ServerConfig>, NodeError> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(&self.config.cert, error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        Ok(Arc::new(config))
    }

    /// Reads them again and again, and shows those that are there. It never ends.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOKED_EVERY).await;
            let own = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || own.look()).await {
                tracing::warn!(%error, "certificates were not read again");
            }
        }
    }

    /// Shows what is in the files now. While they cannot be used, as between the two that are replaced, the old ones stay.
    fn look(&self) {
        let failure = match self.config.read() {
            Ok(made) => {
                let mut shown = self.shown.lock();
                if made.files != shown.files {
                    tracing::info!(cert = %self.config.cert.display(), "another certificate is shown from now on");
                    *shown = made;
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let before = std::mem::replace(&mut *self.failure.lock(), failure.clone());
        if let Some(error) = failure.filter(|failure| before.as_ref() != Some(failure)) {
            tracing::warn!(error, "the certificate that was read before is still shown");
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.lock().key))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    private_file::read(path)?.ok_or_else(|| refuse(path, "there is no such file"))
}

fn refuse(path: &Path, reason: impl Into<String>) -> NodeError {
    NodeError::Config { what: path.display().to_string(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for this machine and its key, in PEM.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        (pem("CERTIFICATE", made.cert.der()), pem("PRIVATE KEY", &made.key_pair.serialize_der()))
    }

    fn pem(what: &str, der: &[u8]) -> String {
        format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", data_encoding::BASE64.encode(der))
    }

    #[test]
    fn a_fault_is_told_with_the_file_that_it_is_in() {
        let root = tempfile::tempdir().unwrap();
        let (cert, key) = made();
        let (_, others) = made();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (good, nothing) = (write("cert.pem", &cert), write("nothing.pem", "no pem\n"));
        let told = |cert: &Path, key: &Path| {
            let config = TlsConfig { cert: cert.to_owned(), key: key.to_owned() };
            Certificates::open(&config).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(told(&good, &write("key.pem", &key)), Ok(()));
        for (cert, key, expected) in [
            (root.path().join("gone.pem"), nothing.clone(), "gone.pem: there is no such file"),
            (nothing.clone(), nothing.clone(), "nothing.pem: there is no certificate"),
            (good.clone(), nothing, "nothing.pem: "),
            (good.clone(), write("others.pem", &others), "others.pem: not the key of "),
        ] {
            let told = told(&cert, &key).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn files_that_are_replaced_are_shown_and_nonsense_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (cert, key) = (root.path().join("cert.pem"), root.path().join("key.pem"));
        let put = |(new_cert, new_key): (&str, &str)| {
            std::fs::write(&cert, new_cert).unwrap();
            std::fs::write(&key, new_key).unwrap();
        };
        let (first, second) = (made(), made());
        put((&first.0, &first.1));
        let shown = Certificates::open(&TlsConfig { cert: cert.clone(), key: key.clone() }).unwrap();
        let der = || shown.shown.lock().key.cert[0].to_vec();
        let [old, new] =
            [&first, &second].map(|(cert, _)| CertificateDer::from_pem_slice(cert.as_bytes()).unwrap().to_vec());
        assert!(old != new && der() == old);
        for half in [(&second.0[..], &first.1[..]), ("no pem", &second.1), (&second.0, "")] {
            put(half);
            shown.look();
            assert!(der() == old && shown.failure.lock().is_some());
        }
        put((&second.0, &second.1));
        shown.look();
        assert!(der() == new && shown.failure.lock().is_none());
        std::fs::remove_file(&cert).unwrap();
        shown.look();
        assert!(der() == new && shown.server().is_ok());
    }
}
