//! Addresses that hold a name and password: found in what people declare, taken out of what they are shown.

use std::borrow::Cow;

use serde_json::Value;

/// A text without the names and passwords of the addresses in it: `https://me:secret@host/a` becomes `https://host/a`. A mere
/// name, as in `ssh://git@host/a`, stays; that of a web address goes, since it may be a token.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        rest = match user_info(after) {
            Some(user) if user.contains(':') || is_web(before) => &after[user.len() + 1..],
            _ => after,
        };
    }
    shown + rest
}

/// A text with a star for each byte of the passwords of the addresses in it: what is pointed at in it stays where it is.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        rest = after;
        if let Some((name, password)) = user_info(after).and_then(|user| user.split_once(':')) {
            shown.extend([name, ":", &"*".repeat(password.len())]);
            rest = &after[name.len() + 1 + password.len()..];
        }
    }
    if shown.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(shown + rest) }
}

/// Whether an address holds a password.
pub fn has_password(url: &str) -> bool {
    let user = url.split_once("://").and_then(|(_, rest)| user_info(rest));
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// A web address in its parts: the address alone, the name and the password; none if it holds no password.
pub fn split_password(url: &str) -> Option<(String, String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let user = user_info(rest).filter(|_| is_web(scheme) && has_password(url))?;
    let (name, password) = user.split_once(':')?;
    Some((format!("{scheme}://{}", &rest[user.len() + 1..]), decoded(name), decoded(password)))
}

/// A part of an address with its `%40` and the like as the characters that they stand for.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What stands before the `@` of a host.
fn user_info(after_scheme: &str) -> Option<&str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '\'' | '"' | '`' | '<' | '>');
    let authority = after_scheme.split(ends).next().unwrap_or_default();
    authority.rfind('@').map(|at| &authority[..at])
}

/// Whether a text that ends with `://` ends with the scheme of a web address.
fn is_web(before: &str) -> bool {
    let scheme = before.trim_end_matches("://");
    ["http", "https"].iter().any(|web| scheme.len() >= web.len() && scheme.to_ascii_lowercase().ends_with(web))
}

/// Takes the passwords out of an object that is to be shown: of a rig's address, and of what its status says.
pub fn redact_object(object: &mut Value) {
    if let Some(Value::String(url)) = object.pointer_mut("/spec/repo/url") {
        *url = redact(url);
    }
    if let Some(status) = object.get_mut("status") {
        redact_texts(status);
    }
}

/// The depth is that of a stored object, which its schema bounds.
fn redact_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = redact(text),
        Value::Array(items) => items.iter_mut().for_each(redact_texts),
        Value::Object(map) => map.values_mut().for_each(redact_texts),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shown_address_has_no_password() {
        assert_eq!(redact("https://me:s3cret@example.org/a.git"), "https://example.org/a.git");
        assert_eq!(redact("HTTPS://token@example.org/a@b.git"), "HTTPS://example.org/a@b.git");
        assert_eq!(redact("ssh://git@example.org/a.git"), "ssh://git@example.org/a.git");
        assert_eq!(redact("ssh://git:pw@example.org/a.git"), "ssh://example.org/a.git");
        assert_eq!(redact("https://me:p@ss@example.org/a"), "https://example.org/a");
        assert_eq!(redact("git@example.org:a.git"), "git@example.org:a.git");
        assert_eq!(redact("/srv/a@b.git"), "/srv/a@b.git");
    }

    #[test]
    fn every_address_of_a_text_is_found() {
        let said = "fatal: 'https://me:pw@a.org/x' and \"http://t@b.org\": see https://c.org/@me or mail kim@d.org";
        let shown = "fatal: 'https://a.org/x' and \"http://b.org\": see https://c.org/@me or mail kim@d.org";
        assert_eq!(redact(said), shown);
    }

    #[test]
    fn what_is_masked_stays_in_its_place() {
        let line = "{ url: https://me:pw@a.org/x, b: ssh://git@b.org }";
        assert_eq!(mask(line), "{ url: https://me:**@a.org/x, b: ssh://git@b.org }");
        assert_eq!(mask("a: b"), "a: b");
    }

    #[test]
    fn the_parts_of_an_address_are_as_they_were_meant() {
        let parts = |url| split_password(url).map(|(url, name, password)| [url, name, password].join(" "));
        assert_eq!(parts("https://k%40m:a%25b%@h/x").as_deref(), Some("https://h/x k@m a%b%"));
        assert_eq!(parts("ssh://git:pw@h/x"), None, "no web address");
        assert_eq!(parts("https://git@h/x"), None);
    }

    #[test]
    fn a_password_is_more_than_a_name() {
        assert!(has_password("https://me:pw@example.org/a"));
        for url in ["https://me@example.org/a", "https://me:@example.org", "ssh://git@a:22/b", "git@a.org:b", "/a:b@c"]
        {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn an_object_is_shown_without_what_its_rig_and_its_status_hold() {
        let url = "https://me:pw@example.org/a";
        let mut rig =
            json!({"spec": {"repo": {"url": url}, "setup": [url]}, "status": {"conditions": [{"message": url}]}});
        redact_object(&mut rig);
        let shown = "https://example.org/a";
        assert_eq!(
            rig,
            json!({"spec": {"repo": {"url": shown}, "setup": [url]}, "status": {"conditions": [{"message": shown}]}})
        );
    }
}
