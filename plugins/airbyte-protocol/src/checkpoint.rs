//! A connector's states as the host's checkpoints.
//!
//! | state | goes on from |
//! | --- | --- |
//! | of a stream | each stream's own last one |
//! | global | the oldest that any stream has: the tables of a sync are committed one after the other, and a crash between two of them leaves one behind. What it leaves the other is read again |
//! | of the oldest form | likewise |

use asgard_sdk::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Which form a state has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Stream,
    Global,
    Legacy,
}

/// What is kept of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The task that came so far.
    pub task: String,
    /// It has read everything.
    #[serde(default)]
    pub complete: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Stored>,
}

/// A state of the connector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    pub kind: Kind,
    /// Counts states of the ingestion: which of two is the older one.
    pub order: u64,
    /// As it came.
    pub text: Box<RawValue>,
}

impl Kept {
    /// What the host kept; none that this plugin did not write.
    pub fn of(checkpoint: Option<&[u8]>) -> Option<Self> {
        serde_json::from_slice(checkpoint?).ok()
    }

    /// As the host keeps it.
    ///
    /// # Errors
    /// `internal` when it has no JSON form.
    pub fn write(&self) -> Result<Vec<u8>> {
        asgard_sdk::encode(self)
    }
}

/// The file of states that a read goes on from; none = from the beginning.
pub fn file(states: &[&Stored]) -> Option<Vec<u8>> {
    let oldest = |kind: Kind| states.iter().filter(|state| state.kind == kind).min_by_key(|state| state.order);
    let text = if let Some(state) = oldest(Kind::Legacy) {
        state.text.get().to_owned()
    } else if let Some(state) = oldest(Kind::Global) {
        format!("[{{\"type\":\"GLOBAL\",\"global\":{}}}]", state.text.get())
    } else if states.is_empty() {
        return None;
    } else {
        let all: Vec<String> =
            states.iter().map(|state| format!("{{\"type\":\"STREAM\",\"stream\":{}}}", state.text.get())).collect();
        format!("[{}]", all.join(","))
    };
    Some(text.into_bytes())
}

/// Whether a crash left the streams at different global states.
pub fn differ(states: &[&Stored]) -> bool {
    let mut shared = states.iter().filter(|state| state.kind != Kind::Stream).map(|state| state.order);
    let first = shared.next();
    shared.any(|order| Some(order) != first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(kind: Kind, order: u64, text: &str) -> Stored {
        Stored { kind, order, text: RawValue::from_string(text.to_owned()).unwrap() }
    }

    #[test]
    fn states_of_streams_go_back_together_and_as_they_came() {
        let kept = Kept {
            task: "t".to_owned(),
            complete: true,
            state: Some(stored(
                Kind::Stream,
                3,
                r#"{"stream_descriptor":{"name":"a"},"stream_state":{"lsn":18446744073709551617}}"#,
            )),
        };
        let back = Kept::of(Some(&kept.write().unwrap())).unwrap();
        let other = stored(Kind::Stream, 4, r#"{"stream_descriptor":{"name":"b"}}"#);
        let text = String::from_utf8(file(&[back.state.as_ref().unwrap(), &other]).unwrap()).unwrap();
        assert!(text.contains("18446744073709551617") && text.contains("\"name\":\"b\""), "{text}");
        assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(), 2);
        assert!(file(&[]).is_none());
        assert!(Kept::of(Some(b"another plugin's")).is_none());
    }

    #[test]
    fn of_global_states_the_oldest_counts() {
        let (old, new) = (
            stored(Kind::Global, 3, r#"{"shared_state":{"at":3}}"#),
            stored(Kind::Global, 4, r#"{"shared_state":{"at":4}}"#),
        );
        let text = String::from_utf8(file(&[&new, &old]).unwrap()).unwrap();
        assert_eq!(text, r#"[{"type":"GLOBAL","global":{"shared_state":{"at":3}}}]"#);
        assert!(differ(&[&new, &old]) && !differ(&[&new, &new]));
        assert_eq!(file(&[&stored(Kind::Legacy, 1, r#"{"a":1}"#)]).unwrap(), br#"{"a":1}"#);
    }
}
