//! The engine's answers in JSON: read within bounds, and looked over before they are taken apart. A
//! few bytes can become a large value in memory.

use bollard::errors::Error;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use serde::de::DeserializeOwned;

use super::pool::too_large;
use crate::budget::{ENGINE_BYTES, ENGINE_OBJECTS, ENGINE_VALUES};

/// The value of an answer, or the error that it tells.
pub(super) async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Error> {
    let status = response.status();
    let bytes = gather(response.into_body()).await?;
    if !status.is_success() {
        #[derive(serde::Deserialize)]
        struct Told {
            message: String,
        }
        let told = serde_json::from_slice::<Told>(&bytes);
        let message =
            told.map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |told| told.message);
        return Err(Error::DockerResponseServerError { status_code: status.as_u16(), message });
    }
    if !is_affordable(&bytes) {
        return Err(Error::IOError {
            err: std::io::Error::other("the answer lists too many things"),
        });
    }
    Ok(serde_json::from_slice(&bytes)?)
}

async fn gather(mut body: Incoming) -> Result<Vec<u8>, Error> {
    let expected = body.size_hint().lower().min(ENGINE_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > ENGINE_BYTES {
            return Err(Error::IOError { err: too_large() });
        }
    }
    Ok(bytes)
}

/// Whether what the text describes has so few parts that it may be held in memory.
fn is_affordable(json: &[u8]) -> bool {
    let (mut objects, mut values) = (0, 0);
    let (mut inside, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ if inside => {}
            b'{' => {
                objects += 1;
                values += 1;
            }
            b'[' | b',' => values += 1,
            _ => {}
        }
    }
    objects <= ENGINE_OBJECTS && values <= ENGINE_VALUES
}

/// A name or an id as one part of a path.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_weighed_by_its_parts() {
        let list = |item: &str, count: usize| format!("[{}0]", item.repeat(count)).into_bytes();
        assert!(is_affordable(&list("{\"a\":[1,2]},", 10_000)));
        assert!(!is_affordable(&list("{},", ENGINE_OBJECTS + 1)));
        assert!(!is_affordable(&list("0,", ENGINE_VALUES + 1)));
        assert!(!is_affordable(&list("[],", ENGINE_VALUES)));
        // In a text they are nothing.
        let text = format!("[\"\\\"{}\"]", "{,[".repeat(ENGINE_VALUES));
        assert!(is_affordable(text.as_bytes()));
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(segment("sha256:ab_c-1.2"), "sha256:ab_c-1.2");
        assert_eq!(segment("../x?y z"), "..%2Fx%3Fy%20z");
    }
}
