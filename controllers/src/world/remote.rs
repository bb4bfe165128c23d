//! Remotes: whether an address is a path on this machine, and one name for a repository however its address is spelled.

/// The path of a repository on this machine; none if its address leads elsewhere. As git tells them apart.
pub fn path_of(url: &str) -> Option<&str> {
    if let Some(path) = url.strip_prefix("file://") {
        return Some(path);
    }
    let before_slash = url.split('/').next().unwrap_or_default();
    (!before_slash.contains(':')).then_some(url)
}

/// One name for the repository at an address, as far as the address says. That two repositories get one name does no harm:
/// pushes to them wait for each other. Of links between folders only this machine knows.
pub fn remote_id(url: &str) -> String {
    if let Some(path) = path_of(url) {
        return path_id(path);
    }
    let (server, path) = server_and_path(url);
    let host = server.split(':').next().unwrap_or_default();
    let path = path_id(path.trim_start_matches('/'));
    format!("{host}/{}", path.strip_suffix(".git").unwrap_or(&path))
}

/// The server at an address, as `host` or `host:port`; none for a path on this machine.
pub fn server_of(url: &str) -> Option<String> {
    path_of(url).is_none().then(|| server_and_path(url).0)
}

fn server_and_path(url: &str) -> (String, &str) {
    let (rest, separator) = url.split_once("://").map_or((url, ':'), |(_, rest)| (rest, '/'));
    let (server, path) = rest.split_once(separator).unwrap_or((rest, ""));
    (server.rsplit('@').next().unwrap_or_default().to_lowercase(), path)
}

/// A path without what leads nowhere: doubled slashes, `.`, `..`, and the `.git` folder of a working copy.
fn path_id(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|part| *part != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    if parts.len() > 1 && parts.last() == Some(&".git") {
        parts.pop();
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_an_address_as_git_does() {
        for url in ["/srv/a.git", "file:///srv/a", "../a", "a", "./a:b", "/srv/a:b"] {
            assert!(path_of(url).is_some(), "{url}");
        }
        for url in ["git@example.org:a.git", "https://example.org/a", "ssh://example.org/a", "example.org:a"] {
            assert_eq!(path_of(url), None, "{url}");
        }
    }

    #[test]
    fn a_server_is_told_by_its_host_and_port() {
        for (url, server) in [
            ("/srv/a", None),
            ("git@Example.org:a", Some("example.org")),
            ("https://kim@example.org/a", Some("example.org")),
            ("git://127.0.0.1:9777/a", Some("127.0.0.1:9777")),
        ] {
            assert_eq!(server_of(url).as_deref(), server, "{url}");
        }
    }

    #[test]
    fn a_repository_has_one_name_however_it_is_spelled() {
        for url in ["/srv/shop", "/srv/shop/", "//srv/./shop", "/srv/x/../shop", "file:///srv/shop", "/srv/shop/.git/"]
        {
            assert_eq!(remote_id(url), "/srv/shop", "{url}");
        }
        assert_eq!(remote_id("/srv/shop.git"), "/srv/shop.git", "a bare one beside a working copy is another");
        for url in [
            "git@example.org:acme/shop.git",
            "Example.org:acme/shop",
            "ssh://git@example.org/acme/shop.git",
            "ssh://git@example.org:22/acme/shop",
            "https://me:secret@example.org/acme/shop/",
        ] {
            assert_eq!(remote_id(url), "example.org/acme/shop", "{url}");
        }
    }
}
