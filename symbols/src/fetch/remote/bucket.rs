//! An object store that speaks S3. Signing and credentials are `object_store`'s; connections are ours, so that there is
//! one TLS stack, and none that follows redirects. Hosts come from the configuration and the environment only.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore as _, RetryConfig};
use reqwest::{Body as RequestBody, Client};
use secrecy::ExposeSecret as _;

use super::super::config::{SourceConfig, SourceFault};
use super::super::disk::Validator;
use super::{Body, FORBIDDEN_WHEN_ABSENT, Fault, chain};

/// A bucket, or a part of one.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: AmazonS3,
    prefix: String,
}

impl Bucket {
    /// One of the configuration. Settings that it does not have come from the environment.
    pub(crate) fn new(
        bucket: &str,
        prefix: &str,
        config: &SourceConfig,
        client: Client,
    ) -> Result<Self, SourceFault> {
        let fault =
            |key: &str, why: String| SourceFault::Setting { place: config.label(), key: key.to_owned(), why };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            // Attempts are counted and spaced in one place, for all kinds of sources.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Connector(client));
        for (key, value) in &config.options {
            let name: AmazonS3ConfigKey =
                key.parse().map_err(|_| fault(key, "object stores have no such setting".to_owned()))?;
            builder = builder.with_config(name, value.expose_secret());
        }
        // Refused for an endpoint with http:// unless it is said; a store inside a cluster often has no TLS.
        let plain = builder
            .get_config_value(&AmazonS3ConfigKey::Endpoint)
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        let store =
            builder.with_allow_http(plain).build().map_err(|error| fault("options", chain(&error)))?;
        Ok(Self { store, prefix: prefix.to_owned() })
    }

    /// Asks for a key, from where an earlier download ended.
    pub(crate) async fn open(
        &self,
        parts: &[String],
        resume: Option<&(u64, Validator)>,
    ) -> Result<Body, Fault> {
        let key = match self.prefix.as_str() {
            "" => parts.join("/"),
            prefix => format!("{prefix}/{}", parts.join("/")),
        };
        let key = Path::parse(key).map_err(|error| Fault::Refused(chain(&error)))?;
        let mut options = GetOptions::default();
        if let Some((from, Validator::Tag(tag))) = resume {
            options.range = Some(GetRange::Offset(*from));
            options.if_match = Some(tag.clone());
        }
        let answer = self.store.get_opts(&key, options).await.map_err(fault)?;
        let (range, tag) = (answer.range.clone(), answer.meta.e_tag.clone());
        let chunks = answer.into_stream().map(|chunk| chunk.map_err(fault));
        Ok(Body {
            from: range.start,
            bytes: Some(range.end.saturating_sub(range.start)),
            validator: tag.map(Validator::Tag),
            chunks: Box::pin(chunks),
        })
    }
}

fn fault(error: object_store::Error) -> Fault {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => Fault::Absent,
        Error::PermissionDenied { .. } => match chain(&error) {
            why if why.contains(FORBIDDEN_WHEN_ABSENT) => Fault::Absent,
            why => Fault::Refused(why),
        },
        Error::Precondition { .. } => Fault::Changed,
        Error::Unauthenticated { .. } => {
            Fault::Refused("wants credentials: set them in the environment or in `options`".to_owned())
        }
        Error::NotSupported { .. } | Error::NotImplemented { .. } | Error::InvalidPath { .. } => {
            Fault::Refused(chain(&error))
        }
        error => Fault::failing(chain(&error)),
    }
}

/// Gives our client to `object_store`, whatever it would like to have set.
#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(Client);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let request = reqwest::Request::try_from(http::Request::from_parts(head, RequestBody::wrap(body)))
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error.without_url()))?;
        let answer = self.0.execute(request).await.map_err(http_error)?;
        let (head, body) = http::Response::<RequestBody>::from(answer).into_parts();
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body.map_err(http_error))))
    }
}

fn http_error(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}
