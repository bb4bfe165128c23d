//! The unix socket: whom it trusts, and what a client that sends half a request takes from the others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use gastown::api::{bind_unix, client_over_unix_socket, connect, serve_unix};
use kube::Api;
use kube::api::ListParams;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinHandle;

use crate::support::{Widget, server};

/// More than are served at once.
const CLIENTS: usize = 600;

struct Served {
    folder: TempDir,
    stop: Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/api.sock");
    let listener = bind_unix(&path).unwrap();
    let (stop, stopped) = channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async move { drop(stopped.await) };
        serve_unix(server(), listener, &path, stopped).await
    });
    Served { folder, stop, serving }
}

/// A client that sends this and no more.
fn sends(socket: &Path, text: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

#[tokio::test(start_paused = true)]
async fn clients_that_send_half_a_request_keep_nobody_out() {
    let Served { folder, stop, serving } = serve();
    let socket = folder.path().join("run/api.sock");
    // Time passes as soon as nothing else does.
    let half: Vec<UnixStream> = (0..CLIENTS).map(|_| sends(&socket, "GET /version HTTP/1.1\r\nHost: ")).collect();
    let client = client_over_unix_socket(&socket, "town", None).unwrap();
    let list = Api::<Widget>::namespaced(client, "town").list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 0);
    drop(half);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let Served { folder, stop, serving } = serve();
    let head = "POST /apis/test.gastown.io/v1alpha1/namespaces/town/widgets HTTP/1.1\r\nHost: gt\r\nContent-Length: 9\r\n\r\n{";
    let stream = sends(&folder.path().join("run/api.sock"), head);
    let mut stream = tokio::net::UnixStream::from_std(stream).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 408");
    // It is not waited for at the end either.
    let _half = sends(&folder.path().join("run/api.sock"), "GET");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

/// Temporary folders are tidied up.
#[tokio::test(start_paused = true)]
async fn a_socket_that_is_removed_is_made_anew() {
    let Served { folder, stop, serving } = serve();
    let socket = folder.path().join("run/api.sock");
    let open = UnixStream::connect(&socket).unwrap();
    for what in ["the folder", "the file", "the folder"] {
        // The server may not have begun to look.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        match what {
            "the file" => fs_err::remove_file(&socket).unwrap(),
            _ => fs_err::remove_dir_all(folder.path().join("run")).unwrap(),
        }
        let anew = async {
            while UnixStream::connect(&socket).is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        // Time passes as soon as nothing else does.
        tokio::time::timeout(std::time::Duration::from_mins(1), anew).await.expect(what);
        let client = client_over_unix_socket(&socket, "town", None).unwrap();
        assert_eq!(
            Api::<Widget>::namespaced(client, "town").list(&ListParams::default()).await.unwrap().items.len(),
            0
        );
    }
    drop(open);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(!socket.exists());
}

#[test]
fn a_folder_that_others_can_change_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, own) = (folder.path().join("gt-1"), folder.path().join("gt-1/town"));
    let socket = own.join("api.sock");
    let mode = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _within = runtime.enter();
    let _listener = bind_unix(&socket).unwrap();
    connect(&socket).unwrap();
    for (path, open) in [(&shared, 0o777), (&own, 0o755)] {
        mode(path, open);
        assert_eq!(connect(&socket).unwrap_err().kind(), ErrorKind::PermissionDenied, "{}", path.display());
        assert_eq!(bind_unix(&socket).unwrap_err().kind(), ErrorKind::PermissionDenied, "{}", path.display());
        mode(path, 0o700);
    }
    let mut nothing = [0];
    let mut stream = connect(&socket).unwrap();
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut nothing).unwrap_err().kind(), ErrorKind::WouldBlock);
}
