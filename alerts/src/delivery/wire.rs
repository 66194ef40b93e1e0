//! What goes over the wire at one attempt: the stored body, with what only the moment of sending knows. Secrets are added
//! here, so that none is ever stored or shown. Pure.

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use super::plain::rfc3339;
use super::target::{Target, TargetKind, signer};

/// A firing alert ends by itself so long after it was last sent: four sendings may be lost.
const FIRES_FOR_MS: i64 = 5 * 60_000;

/// One request.
pub(super) struct Wire {
    pub(super) body: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What cannot be sent to this target, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unsendable(String);

/// Puts a request together. `id` is the same for every attempt, so that a receiver can tell a repetition.
pub(super) fn wire(target: &Target, id: &str, payload: &str, now_ms: i64) -> Result<Wire, Unsendable> {
    let mut headers = Vec::new();
    let body = match &target.kind {
        TargetKind::Webhook { secret } => {
            headers = signed(secret, id, payload, now_ms)?;
            payload.to_owned()
        }
        TargetKind::PagerDuty { routing_key } => {
            let mut event = json(payload)?;
            let Value::Object(fields) = &mut event else { return Err(other_kind()) };
            fields.insert("routing_key".to_owned(), routing_key.expose_secret().into());
            event.to_string()
        }
        TargetKind::Slack | TargetKind::Teams => payload.to_owned(),
        TargetKind::Alertmanager { .. } => {
            let mut alerts = json(payload)?;
            let Value::Array(list) = &mut alerts else { return Err(other_kind()) };
            for alert in list.iter_mut().filter_map(Value::as_object_mut) {
                let end = || rfc3339(now_ms.saturating_add(FIRES_FOR_MS)).into();
                alert.entry("endsAt").or_insert_with(end);
            }
            alerts.to_string()
        }
    };
    Ok(Wire { body, headers })
}

/// Whether these alerts burn: whether they have to be sent again until they have an end.
pub(super) fn burns(payload: &str) -> bool {
    let Ok(Value::Array(alerts)) = serde_json::from_str(payload) else { return false };
    alerts.iter().any(|alert| alert.get("endsAt").is_none())
}

fn json(payload: &str) -> Result<Value, Unsendable> {
    serde_json::from_str(payload).map_err(|_bad| other_kind())
}

fn other_kind() -> Unsendable {
    Unsendable("this was written for a target of another kind".to_owned())
}

fn signed(
    secret: &secrecy::SecretString,
    id: &str,
    payload: &str,
    now_ms: i64,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unsendable> {
    let bad = |error: &dyn std::fmt::Display| Unsendable(error.to_string());
    let now_s = now_ms.div_euclid(1000);
    let signer = signer(secret).map_err(|error| bad(&error))?;
    let signature = signer.sign(id, now_s, payload.as_bytes()).map_err(|error| bad(&error))?;
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| bad(&error));
    Ok(vec![
        (HeaderName::from_static(HEADER_WEBHOOK_ID), value(id)?),
        (HeaderName::from_static(HEADER_WEBHOOK_TIMESTAMP), HeaderValue::from(now_s)),
        (HeaderName::from_static(HEADER_WEBHOOK_SIGNATURE), value(&signature)?),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::target::Auth;
    use super::*;

    fn target(kind: TargetKind) -> Target {
        Target {
            name: "t".to_owned(),
            kind,
            url: "https://a.example/".into(),
            allow_private: false,
            template: None,
        }
    }

    fn sent(kind: TargetKind, payload: &str) -> Result<Wire, Unsendable> {
        wire(&target(kind), "id-1", payload, 1_721_362_140_500)
    }

    #[test]
    fn a_key_is_added_and_nothing_else_changes() {
        let key = "0123456789abcdef0123456789abcdef";
        let kind = TargetKind::PagerDuty { routing_key: key.into() };
        let body = sent(kind.clone(), r#"{"event_action":"resolve","dedup_key":"x"}"#).unwrap().body;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({"event_action": "resolve", "dedup_key": "x", "routing_key": key}));
        for other in ["[]", "nonsense", ""] {
            assert!(sent(kind.clone(), other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_alert_that_fires_gets_an_end_ahead_and_one_that_ended_keeps_its_own() {
        let kind = TargetKind::Alertmanager { auth: Auth::None };
        let payload = r#"[{"labels":{}},{"labels":{},"endsAt":"2024-07-19T04:00:00Z"}]"#;
        assert!(burns(payload) && !burns(r#"[{"endsAt":"x"}]"#) && !burns("{}") && !burns("x"));
        let body: Value = serde_json::from_str(&sent(kind, payload).unwrap().body).unwrap();
        assert_eq!(body[0]["endsAt"], "2024-07-19T04:14:00.5Z");
        assert_eq!(body[1]["endsAt"], "2024-07-19T04:00:00Z");
    }
}
