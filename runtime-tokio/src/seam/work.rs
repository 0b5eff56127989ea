//! Blocking work: threads of tokio's blocking pool, or none at all in the simulation, which has a
//! single thread.

use std::io;

#[cfg(not(madsim))]
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| io::Error::other(error.to_string()))
}

/// Simulated work takes no time.
#[cfg(madsim)]
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    Ok(work())
}
