//! What goes back over the wire: status, headers (doubled ones stay doubled) and a body of known or
//! unknown length.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// The `vary` line of upstream's CORS layer. How often it comes tells routes apart.
const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

/// A body in one piece.
pub(super) struct Piece {
    bytes: Option<Bytes>,
    /// Whether the length is sent, as `content-length`; else the body goes out chunked
    sized: bool,
}

impl Body for Piece {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
        } else {
            SizeHint::default()
        }
    }
}

/// An answer in the making.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    sized: bool,
}

impl Answer {
    /// No body and no content type, as an unknown path has it.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), sized: true }
    }

    /// Plain text, status 200.
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self { body: text.into(), ..Self::empty(StatusCode::OK) }
            .header("content-type", "text/plain; charset=utf-8")
    }

    /// JSON as it is, status 200.
    pub(super) fn json(text: impl Into<Bytes>) -> Self {
        Self { body: text.into(), ..Self::empty(StatusCode::OK) }
            .header("content-type", "application/json")
    }

    /// Bytes without a content type, status 200.
    pub(super) fn bytes(bytes: Bytes) -> Self {
        Self { body: bytes, ..Self::empty(StatusCode::OK) }
    }

    /// Upstream's error form: a code in camel case and a sentence.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let mut answer = Self::json(json!({"code": code, "message": message}).to_string());
        answer.status = status;
        answer
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; control characters cannot be sent and drop it.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Hides the length of the body.
    pub(super) fn chunked(mut self) -> Self {
        self.sized = false;
        self
    }

    /// `allow` of a 405 or an answer to OPTIONS.
    pub(super) fn allow(self, methods: &'static str) -> Self {
        self.header("allow", methods)
    }

    /// The traces of `layers` CORS layers.
    pub(super) fn cors(mut self, layers: u8, request: &HeaderMap) -> Self {
        if layers == 0 {
            return self;
        }
        for _ in 0..layers {
            self = self.header("vary", VARY);
        }
        self = self.header("access-control-allow-credentials", "true");
        if let Some(origin) = request.get("origin") {
            self.headers.insert("access-control-allow-origin", origin.clone());
        }
        self
    }

    /// The answer to OPTIONS for any client.
    pub(super) fn preflight(request: &HeaderMap, methods: &'static str) -> Self {
        let mut answer = Self::empty(StatusCode::OK)
            .cors(1, request)
            .header("access-control-allow-methods", "GET,POST,OPTIONS,PATCH,DELETE,PUT")
            .header("access-control-max-age", "86400")
            .allow(methods);
        if let Some(asked) = request.get("access-control-request-headers") {
            answer.headers.insert("access-control-allow-headers", asked.clone());
        }
        answer
    }

    /// The content type, for the access log.
    pub(super) fn content_type(&self) -> &str {
        self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("-")
    }

    pub(super) fn into_response(self) -> Response<Piece> {
        let body = Piece { bytes: Some(self.body), sized: self.sized };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
