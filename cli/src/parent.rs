//! Whether the process that started this one still lives: it holds the other end of standard input.

use std::io::Read as _;

use tokio::sync::oneshot;

/// Completes when standard input ends before any byte came; a byte means that this process may outlive its parent.
pub(crate) async fn gone() {
    let (tell, told) = oneshot::channel();
    // A thread of its own, since a read from a pipe cannot be called off: the runtime would wait for it at the end.
    std::thread::spawn(move || {
        let mut byte = [0];
        loop {
            match std::io::stdin().read(&mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return tell.send(()),
                // Dropping `tell` would look like the end; it is kept for as long as the process.
                Ok(_) => loop {
                    std::thread::park();
                },
            }
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}
