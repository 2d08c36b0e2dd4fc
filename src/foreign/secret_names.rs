//! Which names say that a value is secret.

/// Words that say of a value that it is secret, as the whole or as the end of a word of a name.
pub(super) const ENDS: &[&str] = &[
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASSPHRAS",
    "PASSCODE",
    "TOKEN",
    "CREDENTIAL",
    "CRED",
    "PASSWORT",
    "KENNWORT",
    "WACHTWOORD",
    "CONTRASENA",
    "CONTRASEÑA",
    "SENHA",
    "PAROLA",
    "MOTDEPASSE",
    "HASLO",
];

/// The same, as the whole of a word only: parts of other words end with them.
pub(super) const WHOLE: &[&str] = &[
    "KEY",
    "PASS",
    "PGPASS",
    "PRIVATE",
    "PW",
    "PWD",
    "PSW",
    "AUTH",
    "JWT",
    "OTP",
    "TOTP",
    "SALT",
    "PEPPER",
    "DSN",
    "PIN",
    "NONCE",
    "SEED",
    "MNEMONIC",
    "BEARER",
    "SIGNATURE",
    "SIG",
    "CERT",
    "COOKIE",
    "SESSION",
    "CSRF",
    "LICENSE",
    "WEBHOOK",
    "HMAC",
    "SAS",
];

/// Words that end with `KEY`, `PASS` or `PWD` and are not.
const HARMLESS: &[&str] = &[
    "MONKEY",
    "TURKEY",
    "DONKEY",
    "HOCKEY",
    "JOCKEY",
    "WHISKEY",
    "BYPASS",
    "COMPASS",
    "ENCOMPASS",
];

/// Names with such a word whose values are public: what lies beside a key, not the key.
const PUBLIC: &[&str] = &[
    "KEYCLOAK_URL",
    "SESSION_TIMEOUT",
    "AUTH_URL",
    "AUTH_DOMAIN",
    "NEXTAUTH_URL",
    "AUTH_TRUST_HOST",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Whether a variable's name says that its value may be secret: one of its words, not a part of one
/// (`TOKENIZERS_…`).
pub fn names_a_secret(name: &str) -> bool {
    if PUBLIC.iter().any(|public| public.eq_ignore_ascii_case(name)) {
        return false;
    }
    words_of(name).iter().any(|word| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        [bare, bare.strip_suffix('S').unwrap_or(bare)].iter().any(|one| {
            WHOLE.contains(one)
                || ENDS.iter().any(|end| one.ends_with(end))
                || (["KEY", "PASS", "PWD"].iter().any(|end| one.ends_with(end))
                    && !HARMLESS.contains(one))
        })
    })
}

/// The words of a name in capitals: at `_`, `-`, `.`, and where a capital follows a small letter.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let is_new = matches!(c, '_' | '-' | '.' | ' ') || (was_small && c.is_uppercase());
        if is_new {
            words.push(String::new());
        }
        if !matches!(c, '_' | '-' | '.' | ' ')
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_uppercase());
        }
        was_small = c.is_lowercase();
    }
    words
}
