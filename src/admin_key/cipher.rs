//! The two seals of an admin key: AES-128-GCM-SIV (since 2025-06) and the older XSalsa20-Poly1305
//! secretbox.
//!
//! Both work on the whole binary key, version byte included. What the payload means is not known
//! here.

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes128GcmSiv, KeyInit as _, Nonce};
use hmac::{Hmac, Mac};
use poly1305::Poly1305;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The first byte of every key; in the newer form also the associated data.
pub(super) const VERSION: u8 = 1;
/// The least that can hold version, nonce and tag of the newer form.
pub(super) const SHORTEST: usize = 1 + SIV_NONCE + TAG;

const SIV_NONCE: usize = 12;
const BOX_NONCE: usize = 24;
const TAG: usize = 16;

/// Counter mode of NIST SP 800-108 as aws-lc does it: counter first, the bare label, one round, 16
/// bytes.
fn siv_key(secret: &[u8; 32]) -> Zeroizing<[u8; 16]> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret)
        .expect("HMAC takes keys of every length");
    mac.update(&1u32.to_be_bytes());
    mac.update(b"admin key");
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    key
}

fn siv(secret: &[u8; 32]) -> Aes128GcmSiv {
    Aes128GcmSiv::new(&(*siv_key(secret)).into())
}

/// Opens the newer form.
pub(super) fn open_siv(secret: &[u8; 32], wire: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = wire.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (nonce, msg) = rest.split_first_chunk::<SIV_NONCE>()?;
    let payload = Payload { msg, aad: &[VERSION] };
    siv(secret).decrypt(&Nonce::from(*nonce), payload).ok().map(Zeroizing::new)
}

/// Seals in the newer form.
pub(super) fn seal_siv(secret: &[u8; 32], nonce: [u8; SIV_NONCE], plain: &[u8]) -> Vec<u8> {
    let sealed = siv(secret)
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &[VERSION] })
        .expect("a key is far shorter than the cipher's limit of 64 GiB");
    [&[VERSION][..], &nonce, &sealed].concat()
}

/// The key stream behind the 32 bytes that key the authenticator, and that authenticator.
fn secretbox(secret: &[u8; 32], nonce: [u8; BOX_NONCE]) -> (XSalsa20, Poly1305) {
    let mut stream = XSalsa20::new(&(*secret).into(), &nonce.into());
    let mut mac_key = Zeroizing::new([0u8; 32]);
    stream.apply_keystream(&mut *mac_key);
    let mac = Poly1305::new(&(*mac_key).into());
    (stream, mac)
}

/// Opens the form used before 2025-06: the version byte is outside the box, the tag before the
/// text.
pub(super) fn open_legacy(secret: &[u8; 32], wire: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = wire.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (nonce, rest) = rest.split_first_chunk::<BOX_NONCE>()?;
    let (tag, text) = rest.split_first_chunk::<TAG>()?;
    let (mut stream, mac) = secretbox(secret, *nonce);
    if !bool::from(mac.compute_unpadded(text).as_slice().ct_eq(tag)) {
        return None;
    }
    let mut plain = Zeroizing::new(text.to_vec());
    stream.apply_keystream(&mut plain);
    Some(plain)
}

/// Seals in the form used before 2025-06.
pub(super) fn seal_legacy(secret: &[u8; 32], nonce: [u8; BOX_NONCE], plain: &[u8]) -> Vec<u8> {
    let (mut stream, mac) = secretbox(secret, nonce);
    let mut text = plain.to_vec();
    stream.apply_keystream(&mut text);
    let tag = mac.compute_unpadded(&text);
    [&[VERSION][..], &nonce, tag.as_slice(), &text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derived_key_of_the_public_secret_is_upstreams() {
        let secret = b"Carnitas, literally meaning \"lit";
        assert_eq!(hex::encode(*siv_key(secret)), "a7526e1715ea4effa55636bee910d731");
    }

    #[test]
    fn no_length_panics_and_the_other_form_stays_shut() {
        let secret = [7; 32];
        for length in 0..80 {
            let wire = vec![VERSION; length];
            assert!(open_siv(&secret, &wire).is_none());
            assert!(open_legacy(&secret, &wire).is_none());
        }
        let siv = seal_siv(&secret, [1; 12], b"text");
        let boxed = seal_legacy(&secret, [1; 24], b"text");
        assert_eq!(open_siv(&secret, &siv).unwrap().as_slice(), b"text");
        assert_eq!(open_legacy(&secret, &boxed).unwrap().as_slice(), b"text");
        assert!(open_legacy(&secret, &siv).is_none() && open_siv(&secret, &boxed).is_none());
    }
}
