//! One call of a host of repositories: whether who makes it knows the secret, and whether it is about a push.
//!
//! GitHub and Gitea sign the body by HMAC-SHA256, GitLab says the secret itself. What is in the body decides nothing, so it is
//! not even parsed.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

/// The headers that say what happened, each with the events that move a ref.
const EVENTS: [(&str, &[&str]); 3] = [
    ("x-github-event", &["push", "create"]),
    ("x-gitea-event", &["push", "create"]),
    ("x-gitlab-event", &["Push Hook", "Tag Push Hook", "System Hook"]),
];

/// Whether the call was made by somebody who knows the secret. Each comparison takes as long, whatever differs.
pub fn is_signed(headers: &HeaderMap, body: &[u8], secret: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let of = |text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
        mac.update(text);
        mac
    };
    let signs = |hex: &str| {
        let tag = HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
        tag.is_ok_and(|tag| of(body).verify_slice(&tag).is_ok())
    };
    if let Some(signature) = text("x-hub-signature-256") {
        return signature.strip_prefix("sha256=").is_some_and(signs);
    }
    if let Some(signature) = text("x-gitea-signature") {
        return signs(signature);
    }
    // Both under the secret as a key: equal digests of equal length are compared, and not the texts.
    let token = headers.get("x-gitlab-token");
    token.is_some_and(|token| of(token.as_bytes()).verify_slice(&of(secret).finalize().into_bytes()).is_ok())
}

/// Whether it may be about a push: others, such as the `ping` of a new webhook, are answered and wake nobody.
pub fn is_push(headers: &HeaderMap) -> bool {
    // Gitea calls itself by GitHub's name too; whichever is there first speaks.
    let event = EVENTS.iter().find_map(|(name, moves)| Some((headers.get(*name)?.to_str().ok()?, moves)));
    event.is_none_or(|(event, moves)| moves.contains(&event))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn each_host_proves_in_its_own_way_that_it_knows_the_secret() {
        // The example of GitHub's documentation.
        let (secret, body) = (&b"It's a Secret to Everybody"[..], &b"Hello, World!"[..]);
        let digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = headers(&[("x-hub-signature-256", &format!("sha256={digest}")), ("x-github-event", "push")]);
        let gitea = headers(&[("x-gitea-signature", digest), ("x-gitea-event", "push")]);
        let gitlab = headers(&[("x-gitlab-token", "It's a Secret to Everybody"), ("x-gitlab-event", "Push Hook")]);
        for (host, headers) in [("github", &github), ("gitea", &gitea), ("gitlab", &gitlab)] {
            assert!(is_signed(headers, body, secret) && is_push(headers), "{host}");
            assert!(!is_signed(headers, body, b"another secret"), "{host}");
        }
        assert!(!is_signed(&github, b"Hello, World?", secret), "another body");
        for wrong in [
            &[][..],
            &[("x-hub-signature-256", digest)],
            &[("x-hub-signature-256", "sha256=")],
            &[("x-hub-signature-256", "sha256=7571")],
            &[("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")],
            &[("x-gitea-signature", "no hex")],
            &[("x-gitlab-token", "")],
            &[("x-gitlab-token", "It's a Secret to Everybod")],
        ] {
            assert!(!is_signed(&headers(wrong), body, secret), "{wrong:?}");
        }
        // A signature that is wrong is not made up for by something else.
        let both = headers(&[("x-hub-signature-256", "sha256=00"), ("x-gitlab-token", "It's a Secret to Everybody")]);
        assert!(!is_signed(&both, body, secret));
    }

    #[test]
    fn what_moves_no_ref_is_no_push() {
        for (name, event, is) in [
            ("x-github-event", "ping", false),
            ("x-github-event", "issues", false),
            ("x-github-event", "create", true),
            ("x-gitlab-event", "Tag Push Hook", true),
            ("x-gitlab-event", "Note Hook", false),
            ("x-gitea-event", "push", true),
            ("user-agent", "curl", true),
        ] {
            assert_eq!(is_push(&headers(&[(name, event)])), is, "{event}");
        }
    }
}
