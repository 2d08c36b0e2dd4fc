//! Keys made by upstream's own code: verdict, claims and acceptance on both paths; and properties
//! of any key.

use convex_doctor::admin_key::{
    Claims, Form, InstanceSecret, KeyKind, KeyPath, KeyVerdict, accepted_in_body,
    accepted_in_header, inspect, inspect_json, judge, mint, mint_claims, mint_legacy, open, shape,
};
use convex_doctor::secret::Secret;
use proptest::prelude::*;

const VECTORS: &str = include_str!("../../fixtures/key-vectors.json");

#[test]
fn every_vector_is_judged_as_upstream_judges_it() {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.len() >= 36);
    for vector in &vectors {
        let id = &vector["id"];
        let key = Secret::new(vector["key"].as_str().unwrap());
        let secret = Secret::new(vector["secret"].as_str().unwrap());
        let secret = InstanceSecret::parse(&secret).unwrap();
        let name = vector["instance_name"].as_str().unwrap();
        let json = inspect_json(&key, Some((&secret, name)));
        assert_eq!(json["verdict"], vector["expect"], "{id}");
        let header = accepted_in_header(&key, &secret, name);
        assert_eq!(header, vector["backend_accepts_in_header"], "{id}");
        let body = accepted_in_body(&key, &secret, name);
        assert_eq!(body, vector["backend_accepts_in_json_body"], "{id}");
        if matches!(vector["expect"].as_str(), Some("accepted" | "wrong_instance")) {
            for claim in ["issued_s", "kind", "member_id", "read_only", "legacy"] {
                assert_eq!(json.get(claim), vector.get(claim), "{id} {claim}");
            }
        }
        let hex = vector["key"].as_str().unwrap().rsplit('|').next().unwrap();
        if hex.len() > 8 {
            assert!(!json.to_string().contains(&hex[..8]), "{id} shows its key");
        }
    }
}

fn claims() -> impl Strategy<Value = Claims> {
    let kind = prop_oneof![Just(KeyKind::Admin), Just(KeyKind::ReadOnly), Just(KeyKind::System)];
    let inner = proptest::option::of("[a-zß-]{0,20}");
    (1u64.., kind, any::<u64>(), inner).prop_map(|(issued_s, kind, member, inner_name)| Claims {
        issued_s,
        kind: Some(kind),
        member_id: (kind != KeyKind::System).then_some(member),
        read_only: kind == KeyKind::ReadOnly,
        legacy: false,
        inner_name,
    })
}

proptest! {
    #[test]
    fn what_is_minted_is_accepted(
        bytes: [u8; 32], nonce: [u8; 12], long: [u8; 24], mut claims in claims(), name in "[a-z][a-z0-9_-]{0,30}",
    ) {
        let secret = InstanceSecret::generate_from(bytes);
        let key = mint_claims(&secret, Some(&name), &claims, nonce);
        prop_assert_eq!(judge(&key, &secret, &name, KeyPath::Header), KeyVerdict::Accepted(claims.clone()));
        prop_assert_eq!(shape(&key).form, Form::WellShaped);
        prop_assert_eq!(open(&key, &secret), Some(claims.clone()));
        claims.legacy = true;
        let key = mint_legacy(&secret, Some(&name), &claims, long);
        prop_assert_eq!(judge(&key, &secret, &name, KeyPath::Body), KeyVerdict::Accepted(claims));
    }

    #[test]
    fn a_flipped_bit_never_opens(bytes: [u8; 32], nonce: [u8; 12], long: [u8; 24], at: prop::sample::Index, bit in 0..8u32) {
        let secret = InstanceSecret::generate_from(bytes);
        let member = Claims::of_member_zero(1_750_000_000, false);
        for key in [mint(&secret, "app", 1_750_000_000, nonce, false), mint_legacy(&secret, Some("app"), &member, long)] {
            let mut wire = hex::decode(key.expose().strip_prefix("app|").unwrap()).unwrap();
            let at = at.index(wire.len());
            wire[at] ^= 1u8 << bit;
            let flipped = Secret::new(format!("app|{}", hex::encode(wire)));
            prop_assert!(open(&flipped, &secret).is_none());
            prop_assert!(!accepted_in_header(&flipped, &secret, "app"));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*|[0-9a-fx|:%\"'\\s]{0,200}|(dev:|project:)?[a-z|:]{0,5}01[0-9a-f]{0,120}[\\s\"]?") {
        let secret = InstanceSecret::generate_from([5; 32]);
        let key = Secret::new(text);
        let _ = inspect(&key, Some((&secret, "app")));
        let _ = (accepted_in_header(&key, &secret, "app"), accepted_in_body(&key, &secret, "app"));
    }
}
