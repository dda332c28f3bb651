//! Certificates of doors: read from files when a node starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::private_file;

/// What a door shows its clients so that they know it, and speak to it in secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate in PEM, behind it those that vouch for it.
    pub cert: PathBuf,
    /// Its private key in PEM, without a password.
    pub key: PathBuf,
}

impl TlsConfig {
    /// Reads both files.
    ///
    /// # Errors
    /// [`NodeError::Config`] for a file that is not there or not understood, and for a key that is not the certificate's.
    pub(crate) fn read(&self) -> Result<Arc<ServerConfig>, NodeError> {
        let certs = CertificateDer::pem_slice_iter(&read(&self.cert)?).collect::<Result<Vec<_>, _>>();
        let certs = certs.map_err(|error| refuse(&self.cert, error.to_string()))?;
        if certs.is_empty() {
            return Err(refuse(&self.cert, "there is no certificate in it: expected -----BEGIN CERTIFICATE-----"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|error| refuse(&self.key, error.to_string()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(&self.cert, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certs, key)
            .map_err(|error| refuse(&self.key, format!("not the key of {}: {error}", self.cert.display())))?;
        Ok(Arc::new(config))
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
            config.read().map(drop).map_err(|error| error.to_string())
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
}
