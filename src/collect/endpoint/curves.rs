//! Signatures that OpenSSL verifies and `ring` does not: those of P-521, and SHA-512 with the
//! smaller curves. Node accepts such certificates.

use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A curve with the hash that a signature is made over.
#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

const fn with(curve: Curve, hash: Hash) -> Ecdsa {
    Ecdsa { curve, hash }
}

static P256_SHA512: Ecdsa = with(Curve::P256, Hash::Sha512);
static P384_SHA512: Ecdsa = with(Curve::P384, Hash::Sha512);
static P521_SHA256: Ecdsa = with(Curve::P521, Hash::Sha256);
static P521_SHA384: Ecdsa = with(Curve::P521, Hash::Sha384);
static P521_SHA512: Ecdsa = with(Curve::P521, Hash::Sha512);

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // Each curve has types of its own.
        macro_rules! verify {
            ($curve:ident, $digest:expr) => {{
                use $curve::ecdsa::signature::hazmat::PrehashVerifier as _;
                let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(public_key);
                let signature = $curve::ecdsa::Signature::from_der(signature);
                match (key, signature) {
                    (Ok(key), Ok(signature)) => key.verify_prehash($digest, &signature).is_ok(),
                    _ => false,
                }
            }};
        }
        let digest = self.hash.of(message);
        let is_right = match self.curve {
            Curve::P256 => verify!(p256, &digest),
            Curve::P384 => verify!(p384, &digest),
            Curve::P521 => {
                // A number of 521 bits; the library refuses one that is less than half as long.
                let mut number = vec![0; 66_usize.saturating_sub(digest.len())];
                number.extend(&digest);
                verify!(p521, &number)
            }
        };
        if is_right { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

/// The provider of this process with these algorithms added.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        signature_verification_algorithms: *ALL,
        ..rustls::crypto::ring::default_provider()
    })
}

/// Those of `ring`, and these.
static ALL: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    type Algorithm = &'static dyn SignatureVerificationAlgorithm;
    let own: [Algorithm; 5] =
        [&P256_SHA512, &P384_SHA512, &P521_SHA256, &P521_SHA384, &P521_SHA512];
    let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let all: Vec<Algorithm> = ring.all.iter().copied().chain(own).collect();
    // TLS 1.3 has one curve for this scheme, the first; TLS 1.2 has any.
    let with_sha512: [Algorithm; 3] = [&P521_SHA512, &P384_SHA512, &P256_SHA512];
    let with_sha512: &'static [Algorithm] = Box::leak(Box::new(with_sha512));
    let mut mapping = ring.mapping.to_vec();
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, with_sha512));
    WebPkiSupportedAlgorithms { all: Box::leak(all.into()), mapping: Box::leak(mapping.into()) }
});
