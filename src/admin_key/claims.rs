//! What an admin key says about itself: the protobuf `convex_keys.AdminKey`, read and written by
//! hand.
//!
//! Reading follows prost, which the backend uses: unknown fields are skipped, the last of a
//! repeated scalar wins, the last of the oneof wins, and anything malformed refuses the whole. It
//! judges neither the name nor the issue time.

use serde::{Deserialize, Serialize};

/// prost refuses groups nested deeper than this.
const DEEPEST: u32 = 100;

/// Which rights a key gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// A member with every right; what `generate_admin_key.sh` makes.
    Admin,
    /// A member who may only look.
    ReadOnly,
    /// The backend itself. `check_admin_key` answers 403 to it, the CLI's endpoints let it through.
    System,
}

/// What an opened key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claims {
    /// Seconds since 1970. Never compared with a clock; 0 is refused.
    pub issued_s: u64,
    /// `None` where the key names no member, which the backend rejects.
    pub kind: Option<KeyKind>,
    /// The member, for admin and read-only keys (0 in self-hosting).
    pub member_id: Option<u64>,
    /// The flag itself, which a system key may carry without effect.
    pub read_only: bool,
    /// Sealed in the form used before 2025-06.
    pub legacy: bool,
    /// The instance name inside, which only counts when there is no `|`.
    pub inner_name: Option<String>,
}

/// Whom the oneof names.
#[derive(Clone, Copy)]
enum Identity {
    Member(u64),
    System,
}

impl Claims {
    /// The claims of a key as `generate_admin_key.sh` makes it: member 0, no name inside.
    pub fn of_member_zero(issued_s: u64, read_only: bool) -> Self {
        Self {
            issued_s,
            kind: Some(if read_only { KeyKind::ReadOnly } else { KeyKind::Admin }),
            member_id: Some(0),
            read_only,
            legacy: false,
            inner_name: None,
        }
    }

    /// Reads the protobuf. `None` if prost would refuse it.
    pub fn decode(bytes: &[u8], legacy: bool) -> Option<Self> {
        let mut reader = ClaimsReader(bytes);
        let (mut issued_s, mut read_only) = (0, false);
        let (mut inner_name, mut identity) = (None, None);
        while !reader.0.is_empty() {
            match reader.key()? {
                (1, 2) => {
                    let text = std::str::from_utf8(reader.delimited()?).ok()?;
                    inner_name = Some(text.to_owned());
                }
                (2, 0) => issued_s = reader.varint()?,
                (3, 0) => identity = Some(Identity::Member(reader.varint()?)),
                (4, 2) => {
                    let mut empty = ClaimsReader(reader.delimited()?);
                    while !empty.0.is_empty() {
                        let (field, wire) = empty.key()?;
                        empty.skip(field, wire, DEEPEST - 1)?;
                    }
                    identity = Some(Identity::System);
                }
                (5, 0) => read_only = reader.varint()? != 0,
                // A known field of another wire type is an error, not an unknown field.
                (1..=5, _) => return None,
                (field, wire) => reader.skip(field, wire, DEEPEST)?,
            }
        }
        let (kind, member_id) = match identity {
            None => (None, None),
            Some(Identity::System) => (Some(KeyKind::System), None),
            Some(Identity::Member(id)) if read_only => (Some(KeyKind::ReadOnly), Some(id)),
            Some(Identity::Member(id)) => (Some(KeyKind::Admin), Some(id)),
        };
        Some(Self { issued_s, kind, member_id, read_only, legacy, inner_name })
    }

    /// Writes the protobuf as prost would: fields in order, defaults left out, the oneof always
    /// written.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        if let Some(name) = &self.inner_name {
            out.push(0x0a);
            put_varint(&mut out, name.len() as u64);
            out.extend_from_slice(name.as_bytes());
        }
        if self.issued_s != 0 {
            out.push(0x10);
            put_varint(&mut out, self.issued_s);
        }
        match self.kind {
            None => {}
            Some(KeyKind::System) => out.extend_from_slice(&[0x22, 0]),
            Some(KeyKind::Admin | KeyKind::ReadOnly) => {
                out.push(0x18);
                put_varint(&mut out, self.member_id.unwrap_or(0));
            }
        }
        if self.read_only {
            out.extend_from_slice(&[0x28, 1]);
        }
        out
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

struct ClaimsReader<'a>(&'a [u8]);

impl<'a> ClaimsReader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// At most ten bytes, of which the tenth holds one bit.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for index in 0..10 {
            let byte = self.take(1)?[0];
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Field number and wire type. Number 0 and a key beyond 32 bits are malformed.
    fn key(&mut self) -> Option<(u32, u8)> {
        let key = u32::try_from(self.varint()?).ok()?;
        (key >> 3 != 0).then_some((key >> 3, (key & 7) as u8))
    }

    fn delimited(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    fn skip(&mut self, field: u32, wire: u8, depth: u32) -> Option<()> {
        if depth == 0 {
            return None;
        }
        match wire {
            0 => self.varint().map(drop),
            1 => self.take(8).map(drop),
            2 => self.delimited().map(drop),
            3 => loop {
                match self.key()? {
                    (end, 4) => return (end == field).then_some(()),
                    (inner, wire) => self.skip(inner, wire, depth - 1)?,
                }
            },
            5 => self.take(4).map(drop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(hex_text: &str) -> Option<Claims> {
        Claims::decode(&hex::decode(hex_text).unwrap(), false)
    }

    #[test]
    fn well_formed_messages_are_read_as_prost_reads_them() {
        for (bytes, issued_s, kind, member_id) in [
            ("", 0, None, None),
            ("10011800", 1, Some(KeyKind::Admin), Some(0)),
            ("100118002801", 1, Some(KeyKind::ReadOnly), Some(0)),
            ("10012200", 1, Some(KeyKind::System), None),
            ("100122002801", 1, Some(KeyKind::System), None),
            ("100122003007", 1, Some(KeyKind::System), None), // unknown varint
            ("100118052200", 1, Some(KeyKind::System), None), // the last of the oneof
            ("100122001805", 1, Some(KeyKind::Admin), Some(5)),
            ("1001100218001809", 2, Some(KeyKind::Admin), Some(9)),
            ("100118002801280032023130", 1, Some(KeyKind::Admin), Some(0)),
            ("1800333807341001", 1, Some(KeyKind::Admin), Some(0)), // an unknown group
            ("10011800310102030405060708", 1, Some(KeyKind::Admin), Some(0)),
            ("100122023807", 1, Some(KeyKind::System), None), // unknown field in Empty
        ] {
            let claims = decode(bytes).unwrap_or_else(|| panic!("{bytes}"));
            let found = (claims.issued_s, claims.kind, claims.member_id);
            assert_eq!(found, (issued_s, kind, member_id), "{bytes}");
        }
    }

    #[test]
    fn malformed_messages_are_refused_whole() {
        for bytes in [
            "10",                       // no value
            "1080",                     // cut varint
            "10ffffffffffffffffff02",   // more than 64 bits
            "10ffffffffffffffffffff01", // eleven bytes
            "12021800",                 // issued_s as bytes
            "0a05616263",               // cut name
            "0a02fffe",                 // name not UTF-8
            "0801",                     // name as varint
            "2000",                     // system as varint
            "2203380700",               // Empty with field 0
            "220138",                   // Empty cut
            "2a00",                     // flag as bytes
            "0000",                     // field 0
            "1001180080808000",         // field 0, spelt at length
            "3600",                     // wire type 6
            "34",                       // end of no group
            "33",                       // open group
            "333c",                     // another group's end
            "8080808010",               // a key of more than 32 bits
        ] {
            assert_eq!(decode(bytes), None, "{bytes}");
        }
        assert!(decode("10ffffffffffffffffff01").is_some(), "2^64-1 fits");
        let nested = |depth| decode(&format!("{}{}", "33".repeat(depth), "34".repeat(depth)));
        assert!(nested(100).is_some());
        assert!(nested(101).is_none());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let claims = Claims {
            issued_s: u64::MAX,
            kind: Some(KeyKind::ReadOnly),
            member_id: Some(300),
            read_only: true,
            legacy: false,
            inner_name: Some("größe".into()),
        };
        assert_eq!(Claims::decode(&claims.encode(), false), Some(claims));
        assert_eq!(hex::encode(Claims::of_member_zero(1, true).encode()), "100118002801");
    }
}
