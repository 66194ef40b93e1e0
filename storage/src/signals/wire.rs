//! How a signal is stored: one byte of version, then zstd-compressed JSON. Divides what is large, inflates under a cap,
//! trusts no value: a topic may be written to by others. Pure.

#![expect(clippy::disallowed_types, reason = "this is a capped inflater")]

use std::io::Read;

use serde::Serialize;

use super::{BeatSignal, ChangeSignal, CrashSignal, InstallSignal, Malformed, STORE, Signal, SignalsError};

/// The version that this build writes. Every older one must still load: `tests/signals/`.
const VERSION: u8 = 1;
/// A value holds about this much JSON at most: Kafka's default message limit is 1 MB, and a reader holds many.
const VALUE_BYTES: usize = 256 * 1024;
/// One machine's inventory may be larger than [`VALUE_BYTES`], and is not divided. What intake takes is far below.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Names repeat, so that the fastest level already takes nine tenths away.
const LEVEL: i32 = 1;
/// The largest window that a value may ask for: what [`MOST_BYTES`] needs.
const WINDOW_LOG: u32 = 22;

/// A [`Signal`] as it is written: lists are divided without being copied.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'s> {
    Crashes(&'s [CrashSignal]),
    Beats(&'s [BeatSignal]),
    Installs(&'s [InstallSignal]),
    Change(&'s ChangeSignal),
}

impl<'s> From<&'s Signal> for Written<'s> {
    fn from(signal: &'s Signal) -> Self {
        match signal {
            Signal::Crashes(crashes) => Self::Crashes(crashes),
            Signal::Beats(beats) => Self::Beats(beats),
            Signal::Installs(installs) => Self::Installs(installs),
            Signal::Change(change) => Self::Change(change),
        }
    }
}

impl Written<'_> {
    fn is_empty(self) -> bool {
        match self {
            Self::Crashes(crashes) => crashes.is_empty(),
            Self::Beats(beats) => beats.is_empty(),
            Self::Installs(installs) => installs.is_empty(),
            Self::Change(_) => false,
        }
    }

    /// Two halves, where there are two.
    fn halves(self) -> Option<(Self, Self)> {
        fn halves<T>(list: &[T]) -> Option<(&[T], &[T])> {
            (list.len() > 1).then(|| list.split_at(list.len() / 2))
        }
        match self {
            Self::Crashes(list) => halves(list).map(|(a, b)| (Self::Crashes(a), Self::Crashes(b))),
            Self::Beats(list) => halves(list).map(|(a, b)| (Self::Beats(a), Self::Beats(b))),
            Self::Installs(list) => halves(list).map(|(a, b)| (Self::Installs(a), Self::Installs(b))),
            Self::Change(_) => None,
        }
    }
}

/// The stored values of some signals, in order.
pub(super) fn encode(signals: &[Signal]) -> Result<Vec<Vec<u8>>, SignalsError> {
    let mut values = Vec::with_capacity(signals.len());
    for signal in signals {
        write(signal.into(), &mut values)?;
    }
    Ok(values)
}

fn write(signal: Written<'_>, values: &mut Vec<Vec<u8>>) -> Result<(), SignalsError> {
    if signal.is_empty() {
        return Ok(());
    }
    let unusable = |error: std::io::Error| SignalsError::unusable(STORE, "writing a signal", error);
    let json = serde_json::to_vec(&signal).map_err(|error| unusable(error.into()))?;
    if json.len() > VALUE_BYTES
        && let Some((first, second)) = signal.halves()
    {
        write(first, values)?;
        return write(second, values);
    }
    if json.len() > MOST_BYTES {
        let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        return Err(SignalsError::TooLarge {
            store: STORE,
            bytes: wide(json.len()),
            limit: wide(MOST_BYTES),
        });
    }
    let mut value = vec![VERSION];
    zstd::stream::copy_encode(json.as_slice(), &mut value, LEVEL).map_err(unusable)?;
    values.push(value);
    Ok(())
}

/// A stored value as the signal that it is. A newer version is read as far as this build knows it.
pub(super) fn decode(value: &[u8]) -> Result<Signal, Malformed> {
    let malformed = |reason: String| Malformed { reason };
    let Some((version, compressed)) = value.split_first() else {
        return Err(malformed("the value is empty".to_owned()));
    };
    if *version < VERSION {
        return Err(malformed(format!("the value says version {version}, which never was")));
    }
    let json = inflate(compressed).map_err(|error| malformed(format!("the value is damaged: {error}")))?;
    if json.len() > MOST_BYTES {
        return Err(malformed(format!("the value inflates to more than {MOST_BYTES} bytes")));
    }
    serde_json::from_slice(&json)
        .map_err(|error| malformed(format!("version {version} is not one of ours: {error}")))
}

/// At most one byte more than allowed.
fn inflate(compressed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
    decoder.window_log_max(WINDOW_LOG)?;
    let mut json = Vec::new();
    let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut json)?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(number: u32) -> CrashSignal {
        CrashSignal {
            machine: format!("pc-{number}"),
            modules: (0..60).map(|module| (format!("driver{module}.sys"), module, 4096)).collect(),
            ..CrashSignal::default()
        }
    }

    #[test]
    fn what_is_large_is_divided_and_comes_back_in_order() {
        let crashes: Vec<CrashSignal> = (0..700).map(crash).collect();
        let signals = [
            Signal::Crashes(crashes.clone()),
            Signal::Beats(Vec::new()),
            Signal::Change(ChangeSignal { what: "channel file 291".to_owned(), ..ChangeSignal::default() }),
        ];
        let values = encode(&signals).unwrap();
        let mut read: Vec<Signal> = values.iter().map(|value| decode(value).unwrap()).collect();
        assert_eq!(read.pop().as_ref(), signals.last());
        assert!(read.len() > 2, "{} values", read.len());
        let again: Vec<CrashSignal> = read
            .into_iter()
            .flat_map(|signal| if let Signal::Crashes(crashes) = signal { crashes } else { Vec::new() })
            .collect();
        assert_eq!(again, crashes);
        let longest = values.iter().map(Vec::len).max().unwrap();
        assert!(longest < VALUE_BYTES / 8, "{longest} bytes compressed");
    }

    #[test]
    fn what_can_never_fit_is_refused() {
        let huge = InstallSignal { site: "x".repeat(MOST_BYTES), ..InstallSignal::default() };
        let error = encode(&[Signal::Installs(vec![huge])]).unwrap_err();
        assert!(matches!(error, SignalsError::TooLarge { .. }) && !error.retryable(), "{error}");
    }

    #[test]
    fn values_of_others_are_malformed_and_a_bomb_is_not_inflated() {
        let compressed = |bytes: &[u8]| [&[VERSION], zstd::encode_all(bytes, 3).unwrap().as_slice()].concat();
        let check = |value: &[u8], reason: &str| {
            let malformed = decode(value).unwrap_err();
            assert!(malformed.reason.contains(reason), "{malformed}");
        };
        check(&[], "empty");
        check(&[0, 1, 2], "version 0");
        check(b"\x01not zstd", "damaged");
        check(&compressed(b"{\"sounds\": []}"), "not one of ours");
        check(&compressed(&vec![b' '; 64 << 20]), "inflates to more");
    }

    #[test]
    fn a_newer_version_is_read_as_far_as_it_is_known() {
        let json = br#"{"beats":[{"machine":"pc-1","at_ms":5,"mood":"good"}]}"#;
        let value = [&[9], zstd::encode_all(&json[..], 3).unwrap().as_slice()].concat();
        let beat = BeatSignal { machine: "pc-1".to_owned(), at_ms: 5, ..BeatSignal::default() };
        assert_eq!(decode(&value).unwrap(), Signal::Beats(vec![beat]));
    }
}
