//! How the last turn of an agent failed, by the transcript of a program whose hooks say nothing of that: Codex.
//!
//! Its transcript is one JSON object a line; a turn ends with `task_complete`, which holds the error of one that failed.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use gastown_crds::polecat::{Activity, ActivityState};
use jiff::Timestamp;
use serde_json::Value;

/// How much of a transcript's end is read, in bytes: what follows the end of a turn is short.
const END_BYTES: u64 = 64 * 1024;

/// The failure of the last turn that has ended; none where it did not fail, or the transcript is of another program, or cannot be
/// read.
pub(super) fn of(transcript: &Path) -> Option<Activity> {
    let end = end(transcript).ok()?;
    let last = end.lines().rev().find(|line| line.contains("\"task_complete\""))?;
    let line: Value = serde_json::from_str(last).ok()?;
    let payload = line.get("payload").filter(|payload| payload["type"] == "task_complete")?;
    let error = payload.get("error").filter(|error| error.is_object())?;
    let since = line["timestamp"].as_str().and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    Some(Activity {
        state: state(&error["codex_error_info"]),
        since,
        message: error["message"].as_str().map(str::to_owned),
        until: None,
        account: None,
    })
}

/// What a kind of error makes of an agent: a word, or a word with the status of an HTTP answer.
fn state(kind: &Value) -> ActivityState {
    let status = kind.as_object().and_then(|kind| kind.values().find_map(|it| it["http_status_code"].as_u64()));
    match (kind.as_str(), status) {
        (_, Some(401 | 403)) | (Some("unauthorized"), _) => ActivityState::LoginRequired,
        (_, Some(429)) | (Some("usage_limit_exceeded"), _) => ActivityState::Limited,
        (_, Some(500..)) | (Some("server_overloaded"), _) => ActivityState::Overloaded,
        _ => ActivityState::Idle,
    }
}

/// The end of a file, from the beginning of a line.
fn end(path: &Path) -> io::Result<String> {
    // Which file that is, an agent's program says: a pipe would be waited for.
    if !fs_err::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(END_BYTES).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(if from == 0 { text } else { text.split_once('\n').map(|(_, whole)| whole.to_owned()).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(errors: &[Value]) -> Option<(ActivityState, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let turn = |error: &Value| {
            json!({"timestamp": "2026-01-02T03:04:05Z", "payload": {"type": "task_complete", "error": error}})
                .to_string()
        };
        let lines: Vec<String> = errors.iter().map(turn).collect();
        fs_err::write(file.path(), lines.join("\n") + "\n{\"payload\": {\"type\": \"token_count\"}}\n").unwrap();
        of(file.path()).map(|activity| (activity.state, activity.message.unwrap_or_default()))
    }

    #[test]
    fn what_the_provider_refuses_is_told_from_what_fails_otherwise() {
        use ActivityState::{Idle, Limited, LoginRequired, Overloaded};
        let with = |info: Value| after(&[json!({"message": "no", "codex_error_info": info})]).map(|(state, _)| state);
        let status = |status: u32| json!({"http_connection_failed": {"http_status_code": status}});
        assert_eq!(with(status(401)), Some(LoginRequired));
        assert_eq!([status(429), json!("usage_limit_exceeded")].map(with), [Some(Limited); 2]);
        assert_eq!([status(503), json!("server_overloaded")].map(with), [Some(Overloaded); 2]);
        assert_eq!([json!("other"), status(400)].map(with), [Some(Idle); 2]);
        // The last turn counts, and one that did not fail says nothing.
        let failed = json!({"message": "first", "codex_error_info": "other"});
        assert_eq!(after(&[failed.clone(), json!(null)]), None);
        assert_eq!(after(&[json!(null), failed]), Some((Idle, "first".to_owned())));
        assert_eq!(after(&[]), None);
        assert_eq!(of(Path::new("/none")), None);
        assert_eq!(of(Path::new("/dev/zero")), None);
    }
}
