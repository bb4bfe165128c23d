//! Commit messages: the trailers that name the bead and the merge request of a landed commit.
//!
//! As `git interpret-trailers` does it: the last paragraph, if every line of it is a trailer and it is not the title,
//! takes them in; else they become a paragraph of their own. Worked on as bytes: a message need not be UTF-8.

/// The trailer that names the bead.
const BEAD: &str = "Gastown-Bead";
/// The trailer that names the merge request.
const MERGE_REQUEST: &str = "Gastown-MR";

/// The message with both trailers; those of an earlier landing are replaced.
pub(in crate::git) fn with_trailers(message: &[u8], bead: &str, merge_request: &str) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = message.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).collect();
    trim_blank_end(&mut lines);
    let start = last_paragraph(&lines);
    let mut has_block = start > 0 && lines[start..].iter().enumerate().all(|(n, line)| is_trailer(line, n > 0));
    if has_block {
        let kept: Vec<&[u8]> = lines.drain(start..).filter(|line| !is_ours(line)).collect();
        has_block = !kept.is_empty();
        lines.extend(kept);
        trim_blank_end(&mut lines);
    }
    let mut text = lines.join(&b'\n');
    text.extend_from_slice(if has_block { b"\n" } else { b"\n\n" });
    text.extend_from_slice(format!("{BEAD}: {bead}\n{MERGE_REQUEST}: {merge_request}\n").as_bytes());
    text
}

/// The merge request that a landed commit came from.
pub(in crate::git) fn merge_request(message: &[u8]) -> Option<String> {
    trailer(message, MERGE_REQUEST)
}

/// The bead that a landed commit is of.
pub(in crate::git) fn bead(message: &[u8]) -> Option<String> {
    trailer(message, BEAD)
}

/// Whether a commit takes another back, as `git revert` says it.
pub(in crate::git) fn is_revert(message: &[u8]) -> bool {
    message.split(|&b| b == b'\n').any(|line| line.starts_with(b"This reverts commit "))
}

fn trailer(message: &[u8], token: &str) -> Option<String> {
    let mut lines: Vec<&[u8]> = message.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).collect();
    trim_blank_end(&mut lines);
    let value = lines[last_paragraph(&lines)..].iter().find_map(|line| {
        let value = line.strip_prefix(token.as_bytes())?.strip_prefix(b":")?;
        std::str::from_utf8(value).ok()
    });
    value.map(|name| name.trim().to_owned())
}

/// Whether a message names a merge request anywhere, such as in the list that a squash makes of the messages of its commits.
pub(in crate::git) fn mentions(message: &[u8], merge_request: &str) -> bool {
    mentioned(message).any(|name| name == merge_request.as_bytes())
}

/// Whether a message names any merge request.
pub(in crate::git) fn mentions_any(message: &[u8]) -> bool {
    mentioned(message).next().is_some()
}

fn mentioned(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|&b| b == b'\n').filter_map(|line| {
        Some(line.trim_ascii().strip_prefix(MERGE_REQUEST.as_bytes())?.strip_prefix(b":")?.trim_ascii())
    })
}

fn trim_blank_end(lines: &mut Vec<&[u8]>) {
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
}

/// The index of the last paragraph's first line.
fn last_paragraph(lines: &[&[u8]]) -> usize {
    lines.iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1)
}

/// `Token: value`, or the indented continuation of one.
fn is_trailer(line: &[u8], may_continue: bool) -> bool {
    if may_continue && line.first().is_some_and(|b| b" \t".contains(b)) {
        return true;
    }
    let token = line.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    token > 0 && line.get(token) == Some(&b':')
}

fn is_ours(line: &[u8]) -> bool {
    [BEAD, MERGE_REQUEST].iter().any(|token| line.starts_with(token.as_bytes()) && line.get(token.len()) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    fn with(message: &str) -> String {
        String::from_utf8(super::with_trailers(message.as_bytes(), "shop-a", "shop-a-1")).unwrap()
    }

    #[test]
    fn trailers_become_the_last_paragraph() {
        assert_eq!(with("Title\n"), "Title\n\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n");
        assert_eq!(
            with("Title\n\nBody: and\nmore\n\n"),
            "Title\n\nBody: and\nmore\n\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n"
        );
    }

    #[test]
    fn a_title_that_looks_like_a_trailer_is_none() {
        assert_eq!(with("fix: it"), "fix: it\n\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n");
    }

    #[test]
    fn trailers_join_those_that_are_there() {
        let joined = with("Title\n\nSigned-off-by: A <a@b>\nNote: long\n  and longer\n");
        assert!(joined.ends_with("Note: long\n  and longer\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n"), "{joined}");
        assert!(joined.starts_with("Title\n\nSigned-off-by"), "{joined}");
    }

    #[test]
    fn the_merge_request_is_read_from_the_last_paragraph_alone() {
        assert_eq!(super::merge_request(with("Title").as_bytes()).as_deref(), Some("shop-a-1"));
        assert_eq!(super::merge_request(b"Title\n\nGastown-MR: x\n\nmore\n"), None);
    }

    #[test]
    fn a_squash_that_lists_messages_names_their_merge_requests() {
        let listed =
            b"Squashed commit of the following:\n\ncommit 1\n\n    Title\n\n    Gastown-MR: shop-a-1\n\nmore\n";
        assert!(super::mentions(listed, "shop-a-1"));
        assert!(!super::mentions(listed, "shop-a"));
        assert!(!super::mentions(b"see Gastown-MR: shop-a-1\n", "shop-a-1"));
    }

    #[test]
    fn trailers_of_an_earlier_landing_are_replaced() {
        assert_eq!(with(&with("Title")), with("Title"));
        assert_eq!(
            with("Title\n\nGastown-MR: old\nAcked-by: A\n"),
            "Title\n\nAcked-by: A\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n"
        );
    }
}
