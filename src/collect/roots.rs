//! The root certificates of this machine: from SSL_CERT_FILE and SSL_CERT_DIR where they are set,
//! read as every other file is, otherwise where the system keeps them.
#![allow(clippy::disallowed_methods, reason = "these two are of the process")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::files;
use crate::budget::{FILE_BYTES, PEM_BYTES, PEM_FILES};

/// Judges certificates by them; an `Err` says why there are none.
pub(super) fn verifier(
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let file = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let directories = std::env::var_os("SSL_CERT_DIR").unwrap_or_default();
    let directories: Vec<PathBuf> =
        std::env::split_paths(&directories).filter(|path| !path.as_os_str().is_empty()).collect();
    if file.is_none() && directories.is_empty() {
        let own = rustls_platform_verifier::Verifier::new(provider);
        return own
            .map(|verifier| Arc::new(verifier) as _)
            .map_err(|_| "this machine has no root certificates".to_owned());
    }
    let roots = named(file.as_deref(), &directories)?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map(|verifier| verifier as _)
        .map_err(|error| error.to_string())
}

/// The certificates of the files and directories that the two variables name.
fn named(file: Option<&Path>, directories: &[PathBuf]) -> Result<RootCertStore, String> {
    let (mut roots, mut fault, mut left) = (RootCertStore::empty(), None, FILE_BYTES);
    let inside = directories.iter().flat_map(|directory| {
        files::names(directory, PEM_FILES).into_iter().map(|name| directory.join(name))
    });
    for path in file.map(Path::to_owned).into_iter().chain(inside) {
        match files::read_bytes_within(&path, PEM_BYTES) {
            Ok(bytes) => {
                left = left.saturating_sub(bytes.len() as u64);
                let certificates = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok);
                roots.add_parsable_certificates(certificates);
            }
            Err(reason) => {
                fault.get_or_insert_with(|| format!(" ({}: {reason})", path.display()));
            }
        }
        if left == 0 {
            break;
        }
    }
    if roots.is_empty() {
        let fault = fault.unwrap_or_default();
        return Err(format!("SSL_CERT_FILE and SSL_CERT_DIR lead to no root certificates{fault}"));
    }
    Ok(roots)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_the_variables_name_is_read_as_every_file_is() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("a-pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", directory.path().join("b-device")).unwrap();
        let directories = [directory.path().to_owned()];
        let fault = named(Some(Path::new("/dev/zero")), &directories).unwrap_err();
        assert!(fault.contains("/dev/zero: it is not a regular file"), "{fault}");
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        std::fs::write(directory.path().join("c.pem"), authority.pem()).unwrap();
        assert_eq!(named(Some(&pipe), &directories).unwrap().len(), 1);
    }
}
